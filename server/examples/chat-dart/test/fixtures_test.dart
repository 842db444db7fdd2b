// Plays the fixtures through the functions that make and read what goes over the wire.
import 'dart:convert';
import 'dart:io';

import 'package:tailwater_chat/chat.dart';
import 'package:test/test.dart';

void main() {
  for (final file in Directory('fixtures').listSync().whereType<File>()) {
    test(file.path, () {
      final fixture = jsonDecode(file.readAsStringSync()) as Map<String, dynamic>;
      final call = fixture['call'] as Map<String, dynamic>;
      final request = fixture['request'] as Map<String, dynamic>;
      final answer = fixture['answer'] as Map<String, dynamic>;
      final result = fixture['result'] as Map<String, dynamic>;
      final channel = call['channel'] as String;
      final limit = call['limit'] as int? ?? 1000;
      final token = call['token'] as String? ?? '';
      switch (call['kind']) {
        case 'send':
          expect(sendTarget(call['key'] as String), request['target']);
          final texts = (call['texts'] as List).cast<String>();
          expect(statusOf((answer['frames'] as List).first as String), result['status']);
          expect(sendFrames(call['sender'] as String, channel, texts), request['frames']);
        case 'socket':
          expect(socketTarget(limit: limit, token: token), request['target']);
          expect([joinFrame(channel)], request['frames']);
        case 'events':
          expect(eventsTarget(channel, limit: limit), request['target']);
      }
      final messages = [
        if (answer['events'] case final String text) ...EventReader().add(text),
        if (call['kind'] == 'socket')
          for (final frame in answer['frames'] as List) Message.fromJson(frame as String),
      ];
      expect(
        [for (final m in messages) {'sender': m.sender, 'text': m.text, 'token': m.token}],
        result['messages'] ?? <Object>[],
      );
      if (answer['close'] case final int code) {
        expect(isWorthARetry(code), result['retry']);
      }
    });
  }
}
