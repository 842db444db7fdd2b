/// A client of the chat module: reads a channel by server-sent events or a WebSocket, sends by a WebSocket.
///
/// What goes over the wire is made and read by functions without sockets, which the fixtures play.
library;

import 'dart:convert';
import 'dart:io';

const _join = '/chatpb.ChatService/JoinChannel';
const _send = '/chatpb.ChatService/SendMessage';

/// The gRPC statuses after which the same call may go well: UNKNOWN, ABORTED, INTERNAL, UNAVAILABLE.
const _worthARetry = {2, 10, 13, 14};
const _pause = Duration(milliseconds: 250);

/// A message of a channel. Its token, if it has one, is from where a stream goes on behind it.
class Message {
  const Message(this.sender, this.text, this.token);

  /// Reads an answer; [id] is the token where it stands beside the JSON.
  factory Message.fromJson(String json, [String id = '']) {
    final fields = jsonDecode(json) as Map<String, dynamic>;
    return Message(
      fields['sender'] as String? ?? '',
      fields['message'] as String? ?? '',
      fields['tailwater-token'] as String? ?? id,
    );
  }

  final String sender;
  final String text;
  final String token;
}

/// A call that cannot go well by trying again.
class Refused implements Exception {
  const Refused(this.reason);
  final String reason;
  @override
  String toString() => reason;
}

String _target(String path, Map<String, String> query) =>
    Uri(path: path, queryParameters: query).toString();

/// Where a channel is read by events. The token of a resumed stream goes into the header `last-event-id`.
String eventsTarget(String channel, {int limit = 1000}) =>
    _target(_join, {'name': channel, 'tailwater-limit': '$limit'});

/// Where a channel is read by a WebSocket.
String socketTarget({int limit = 1000, String token = ''}) => _target(_join, {
      'tailwater-limit': '$limit',
      'tailwater-tokens': 'true',
      if (token.isNotEmpty) 'tailwater-token': token,
    });

/// Where messages are sent, once under a key.
String sendTarget(String key) => _target(_send, {'idempotency-key': key});

/// The one frame that asks for a channel.
String joinFrame(String channel) => jsonEncode({'name': channel});

/// The frames that send messages; an empty one says that no more follow.
List<String> sendFrames(String sender, String channel, List<String> texts) => [
      for (final text in texts)
        jsonEncode({
          'sender': sender,
          'channel': {'name': channel},
          'message': text,
        }),
      '',
    ];

/// What the server says of messages that it has stored.
String statusOf(String frame) =>
    (jsonDecode(frame) as Map<String, dynamic>)['status'] as String;

/// Whether a WebSocket that was closed so is worth another try.
bool isWorthARetry(int? code) =>
    code == null || code < 4000 || _worthARetry.contains(code - 4000);

/// Reads server-sent events from text in pieces of any size.
class EventReader {
  var _rest = '';
  var _name = '';
  var _data = <String>[];
  var _id = '';

  /// The messages that are whole with this piece. A message has the id of its own event only.
  Iterable<Message> add(String piece) sync* {
    _rest += piece;
    for (var end = _rest.indexOf('\n'); end >= 0; end = _rest.indexOf('\n')) {
      final line = _rest.substring(0, end);
      _rest = _rest.substring(end + 1);
      if (line.isEmpty) {
        final (name, data, id) = (_name, _data.join('\n'), _id);
        _name = '';
        _data = [];
        _id = '';
        if (name == 'error') throw Refused(data);
        if (name.isEmpty && data.isNotEmpty) yield Message.fromJson(data, id);
        continue;
      }
      final colon = line.indexOf(': ');
      if (colon <= 0) continue; // a comment that keeps the connection alive
      final value = line.substring(colon + 2);
      switch (line.substring(0, colon)) {
        case 'event':
          _name = value;
        case 'data':
          _data.add(value);
        case 'id':
          _id = value;
      }
    }
  }
}

/// The chat of a server, at `host:port` of its HTTP address.
class Chat {
  const Chat(this.address);
  final String address;

  /// The messages of a channel by a WebSocket, each once, through restarts of the server, until nobody listens.
  Stream<Message> join(String channel, {int limit = 1000, String token = ''}) async* {
    for (;;) {
      // What has no token behind it comes again: it is handed on when its token is there.
      var pending = <Message>[];
      int? code;
      String? reason;
      try {
        final socket = await WebSocket.connect(
            'ws://$address${socketTarget(limit: limit, token: token)}');
        try {
          socket.add(joinFrame(channel));
          await for (final frame in socket) {
            pending.add(Message.fromJson(frame as String));
            if (pending.last.token.isEmpty) continue;
            token = pending.last.token;
            yield* Stream.fromIterable(pending);
            pending = [];
          }
          (code, reason) = (socket.closeCode, socket.closeReason);
        } finally {
          await socket.close();
        }
      } on IOException {
        // It is away: it comes back.
      }
      if (!isWorthARetry(code)) throw Refused(reason ?? '$code');
      await Future<void>.delayed(_pause);
    }
  }

  /// The messages of a channel by server-sent events, as long as the connection holds.
  Stream<Message> events(String channel, {int limit = 1000, String token = ''}) async* {
    final client = HttpClient();
    try {
      final request = await client.getUrl(Uri.parse('http://$address${eventsTarget(channel, limit: limit)}'));
      request.headers.set('accept', 'text/event-stream');
      if (token.isNotEmpty) request.headers.set('last-event-id', token);
      final response = await request.close();
      if (response.statusCode != 200) throw Refused(await utf8.decodeStream(response));
      final reader = EventReader();
      await for (final piece in response.transform(utf8.decoder)) {
        yield* Stream.fromIterable(reader.add(piece));
      }
    } finally {
      client.close(force: true);
    }
  }

  /// Stores messages once under a key, however often it takes, and returns what the server says of it.
  Future<String> send(String key, String sender, String channel, List<String> texts) async {
    for (;;) {
      int? code;
      String? reason;
      String? answer;
      try {
        final socket = await WebSocket.connect('ws://$address${sendTarget(key)}');
        sendFrames(sender, channel, texts).forEach(socket.add);
        await for (final frame in socket) {
          answer = frame as String; // The server closes behind it.
        }
        (code, reason) = (socket.closeCode, socket.closeReason);
      } on IOException {
        // It is away: it comes back.
      }
      if (answer != null) return statusOf(answer);
      if (!isWorthARetry(code)) throw Refused(reason ?? '$code');
      await Future<void>.delayed(_pause);
    }
  }
}
