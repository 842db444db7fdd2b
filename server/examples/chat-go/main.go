// A stateless middle tier for the chat: it keeps nothing. Where a reader is, the reader knows: each event's id is a token, and
// what was sent is sent once, by its key, however often it is tried.
//
//	chat-go -server 127.0.0.1:50051 serve 127.0.0.1:8081   HTTP: POST and GET (server-sent events) /channels/NAME
//	chat-go -server 127.0.0.1:50051 watch NAME             prints a channel's messages, also through the server's restarts
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"example.com/chat-go/chatpb"
)

// The field in which a message carries its token for who asks for it.
const tokenField = 536870911

func tokenOf(message *chatpb.Message) (token string) {
	for rest := message.ProtoReflect().GetUnknown(); len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return token
		}
		rest = rest[n:]
		if number == tokenField && kind == protowire.BytesType {
			text, _ := protowire.ConsumeString(rest)
			token = text
		}
		if n = protowire.ConsumeFieldValue(number, kind, rest); n < 0 {
			return token
		}
		rest = rest[n:]
	}
	return token
}

// join hands on each message of a channel once, from behind token on, until ctx or handle ends it.
func join(ctx context.Context, chat chatpb.ChatServiceClient, channel, token string, handle func(*chatpb.Message, string) error) error {
	for ctx.Err() == nil {
		wanted := metadata.AppendToOutgoingContext(ctx, "tailwater-tokens", "true", "tailwater-limit", "100000")
		if token != "" {
			wanted = metadata.AppendToOutgoingContext(wanted, "tailwater-token", token)
		}
		stream, err := chat.JoinChannel(wanted, &chatpb.Channel{Name: channel}, grpc.WaitForReady(true))
		// What has no token behind it comes again: it is handed on when its token is there.
		var pending []*chatpb.Message
		for err == nil {
			var message *chatpb.Message
			if message, err = stream.Recv(); err != nil {
				break
			}
			pending = append(pending, message)
			if next := tokenOf(message); next != "" {
				for i, message := range pending {
					token := map[bool]string{true: next}[i == len(pending)-1]
					if failed := handle(message, token); failed != nil {
						return failed
					}
				}
				token, pending = next, nil
			}
		}
		switch status.Code(err) {
		case codes.Unavailable, codes.Aborted, codes.Unknown, codes.Internal: // The server is away: it comes back.
			time.Sleep(50 * time.Millisecond)
		default:
			return err
		}
	}
	return ctx.Err()
}

// send stores a message once under its key.
func send(ctx context.Context, chat chatpb.ChatServiceClient, key string, message *chatpb.Message) (string, error) {
	for {
		stream, err := chat.SendMessage(metadata.AppendToOutgoingContext(ctx, "idempotency-key", key), grpc.WaitForReady(true))
		if err == nil {
			if err = stream.Send(message); err == nil || errors.Is(err, context.Canceled) {
				var ack *chatpb.MessageAck
				if ack, err = stream.CloseAndRecv(); err == nil {
					return ack.Status, nil
				}
			}
		}
		if code := status.Code(err); ctx.Err() != nil || code != codes.Unavailable && code != codes.Aborted && code != codes.Unknown {
			return "", err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	server := flag.String("server", "127.0.0.1:50051", "gRPC address of the database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conn, err := grpc.NewClient(*server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil || flag.NArg() != 2 {
		log.Fatal("usage: chat-go [-server ADDR] serve ADDR | watch CHANNEL ", err)
	}
	chat := chatpb.NewChatServiceClient(conn)
	if flag.Arg(0) == "watch" {
		log.Fatal(join(ctx, chat, flag.Arg(1), "", func(message *chatpb.Message, _ string) error {
			_, err := fmt.Printf("%s: %s\n", message.Sender, message.Message)
			return err
		}))
	}
	http.HandleFunc("POST /channels/{name}", func(w http.ResponseWriter, r *http.Request) {
		message := &chatpb.Message{Channel: &chatpb.Channel{Name: r.PathValue("name")}}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(message); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else if said, err := send(r.Context(), chat, r.Header.Get("Idempotency-Key"), message); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		} else {
			fmt.Fprintln(w, said)
		}
	})
	http.HandleFunc("GET /channels/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = join(r.Context(), chat, r.PathValue("name"), r.Header.Get("Last-Event-ID"), func(message *chatpb.Message, token string) error {
			data, _ := json.Marshal(message)
			if token != "" {
				fmt.Fprintf(w, "id: %s\n", token)
			}
			_, err := fmt.Fprintf(w, "data: %s\n\n", data)
			_ = http.NewResponseController(w).Flush()
			return err
		})
	})
	log.Fatal(http.ListenAndServe(flag.Arg(1), nil))
}
