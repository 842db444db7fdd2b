"""A chat client that has no generated code: it asks the server what its messages are.

usage: chat.py ADDRESS. It prints `seen LINE` for each message of the channel tea, once, and `sent N` when N of its own are
acknowledged; it sends on for each line on its standard input, and reads until it is killed.
"""
import sys
import threading
import time

import grpc
from google.protobuf import descriptor_pool, message_factory, unknown_fields
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TOKEN_FIELD = 536870911
BATCH = 3
# After these the same call may go well.
WORTH_A_RETRY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)

channel = grpc.insecure_channel(
    sys.argv[1],
    options=[("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)],
)
pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
service = pool.FindServiceByName("chatpb.ChatService")


def kinds(method):
    """The classes of a method's request and answer."""
    return [message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type)]


Channel, Message = kinds(service.methods_by_name["JoinChannel"])
_, Ack = kinds(service.methods_by_name["SendMessage"])
join_channel = channel.unary_stream("/chatpb.ChatService/JoinChannel", Channel.SerializeToString, Message.FromString)
send_message = channel.stream_unary("/chatpb.ChatService/SendMessage", Message.SerializeToString, Ack.FromString)
printing = threading.Lock()


def say(text):
    with printing:
        print(text, flush=True)


def token_of(message):
    for field in unknown_fields.UnknownFieldSet(message):
        if field.field_number == TOKEN_FIELD:
            return field.data.decode()
    return None


def retry(error):
    """Waits for the server to come back, if that is what is missing."""
    if error.code() not in WORTH_A_RETRY:
        say(f"failed {error.code()} {error.details()}")
        raise error
    time.sleep(0.05)


def read():
    token = None
    while True:
        metadata = [("tailwater-tokens", "true"), ("tailwater-limit", "100000")]
        if token:
            metadata.append(("tailwater-token", token))
        pending = []  # what has no token behind it comes again
        try:
            for message in join_channel(Channel(name="tea"), metadata=metadata, wait_for_ready=True):
                pending.append(message)
                if token_of(message):
                    token = token_of(message)
                    for message in pending:
                        say(f"seen {message.sender}: {message.message}")
                    pending = []
            say("failed the stream says that it has ended")
            return
        except grpc.RpcError as error:
            retry(error)


def send(key, messages):
    while True:
        try:
            return send_message(iter(messages), metadata=[("idempotency-key", key)], wait_for_ready=True)
        except grpc.RpcError as error:
            retry(error)


threading.Thread(target=read, daemon=True).start()
first = 0
for _ in sys.stdin:
    messages = [Message(sender="python", channel={"name": "tea"}, message=str(n)) for n in range(first, first + BATCH)]
    if first % 7 == 0:
        send(f"python-{first}", messages)  # as if its answer had been lost
    ack = send(f"python-{first}", messages)
    if not ack.status.startswith(f"stored {BATCH}, lsn "):
        say(f"failed {ack.status}")
    first += BATCH
    say(f"sent {first}")
threading.Event().wait()
