#include <gtest/gtest.h>
#include <zlib.h>

#include "local/streaming/big_endian.h"
#include "local/streaming/spdy_frames.h"
#include "local/streaming/websocket_frames.h"

namespace serin::local {
namespace {

using namespace std::string_literals;

// --- SPDY

/// What a decoder makes of these bytes, as text: a frame a line, "more" or "error" last.
std::string spdy_story(std::string_view bytes, std::size_t piece = std::string::npos) {
  SpdyDecoder decoder;
  std::string story;
  struct Tell {
    std::string operator()(const SpdySynStream& f) const {
      return "SYN_STREAM " + std::to_string(f.id) + " " + std::string(find_header(f.headers, "streamtype"));
    }
    std::string operator()(const SpdySynReply& f) const { return "SYN_REPLY " + std::to_string(f.id); }
    std::string operator()(const SpdyData& f) const {
      return "DATA " + std::to_string(f.id) + " " + f.bytes + (f.fin ? " fin" : "");
    }
    std::string operator()(const SpdyRstStream& f) const { return "RST " + std::to_string(f.id); }
    std::string operator()(const SpdyPing& f) const { return "PING " + std::to_string(f.id); }
    std::string operator()(const SpdyGoAway& f) const { return "GOAWAY " + std::to_string(f.last_id); }
  };
  for (std::size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
    decoder.feed(bytes.substr(at, piece));
    while (true) {
      const auto frame = decoder.next();
      if (!frame) return story + "error";
      if (!*frame) break;
      story += std::visit(Tell{}, **frame) + "\n";
    }
  }
  return story + "more";
}

std::string conversation() {
  SpdyEncoder encoder;
  std::string bytes;
  bytes += encoder.encode(SpdySynStream{1, {{"streamtype", "error"}}});
  bytes += encoder.encode(SpdySynStream{3, {{"streamtype", "stdin"}, {"x", ""}}});
  bytes += encoder.encode(SpdySynReply{3});
  bytes += encoder.encode(SpdyData{3, "hello", true});
  bytes += encoder.encode(SpdyPing{5});
  bytes += encoder.encode(SpdyRstStream{1, 8});
  bytes += encoder.encode(SpdyGoAway{3, 0});
  return bytes;
}

TEST(Spdy, TheDictionaryIsTheProtocols) {
  SpdyHeaderPacker packer;
  EXPECT_EQ(packer.pack({}).substr(2, 4), "\xe3\xc6\xa7\xc2");  // the checksum that every peer checks
}

TEST(Spdy, FramesSurviveAnySplit) {
  const std::string story =
      "SYN_STREAM 1 error\nSYN_STREAM 3 stdin\nSYN_REPLY 3\nDATA 3 hello fin\nPING 5\nRST 1\nGOAWAY 3\nmore";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::string::npos}) {
    EXPECT_EQ(spdy_story(conversation(), piece), story) << piece;
  }
}

TEST(Spdy, EveryTruncationWaitsForMore) {
  const std::string whole = conversation();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(spdy_story(std::string_view(whole).substr(0, size)).ends_with("more")) << size;
  }
}

TEST(Spdy, MalformedFramesAreErrors) {
  const std::pair<const char*, std::string> cases[] = {
      {"another version", "\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"s},
      {"an oversized data frame", "\x00\x00\x00\x01\x00\xff\xff\xff"s},
      {"an oversized control frame", "\x80\x03\x00\x01\x00\xff\xff\xff"s},
      {"a short SYN_STREAM", "\x80\x03\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01"s},
      {"a short PING", "\x80\x03\x00\x06\x00\x00\x00\x00"s},
      {"a short RST_STREAM", "\x80\x03\x00\x03\x00\x00\x00\x04\x00\x00\x00\x01"s},
      {"bad zlib", "\x80\x03\x00\x01\x00\x00\x00\x0e\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00garb"s},
      {"no header block", "\x80\x03\x00\x01\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"s},
  };
  for (const auto& [name, bytes] : cases) EXPECT_EQ(spdy_story(bytes), "error") << name;
}

TEST(Spdy, ControlFramesWithoutMeaningAreDropped) {
  const std::string bytes =
      "\x80\x03\x00\x04\x00\x00\x00\x04\x00\x00\x00\x00"s                  // SETTINGS
      "\x80\x03\x00\x09\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\xff\xff"s  // WINDOW_UPDATE
      "\x80\x03\x00\x63\x00\x00\x00\x01x"s                                 // unknown
      "\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x07"s;
  EXPECT_EQ(spdy_story(bytes), "PING 7\nmore");
}

TEST(Spdy, NoBlockUnpacksWithoutEnd) {
  SpdyHeaderPacker packer;
  const std::string bomb = packer.pack({{"a", std::string(8u << 20, 'x')}});
  EXPECT_LT(bomb.size(), 64u << 10);
  EXPECT_FALSE(SpdyHeaderUnpacker().unpack(bomb).has_value());
}

TEST(Spdy, HeaderBlocksThatLieAreErrors) {
  // The counts and lengths inside the block, well packed by zlib.
  const auto packed = [](std::string plain) {
    std::string bytes(plain.size() + 100, '\0');
    uLongf size = bytes.size();
    compress(reinterpret_cast<Bytef*>(bytes.data()), &size, reinterpret_cast<const Bytef*>(plain.data()),
             plain.size());
    bytes.resize(size - 4);  // without the end of the stream
    return bytes;
  };
  for (const std::string& plain :
       {"\x00\x00"s, "\x00\x00\x00\x01"s, "\xff\xff\xff\xff"s, "\x00\x00\x00\x01\x00\x00\x00\x05name"s,
        "\x00\x00\x00\x01\x00\x00\x00\x01n\xff\xff\xff\xff"s}) {
    EXPECT_FALSE(SpdyHeaderUnpacker().unpack(packed(plain)).has_value());
  }
}

TEST(Spdy, NoFlippedByteCrashes) {
  const std::string whole = conversation();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {1, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      spdy_story(damaged, 5);
    }
  }
}

// --- WebSocket

std::string masked(std::uint8_t first, std::string payload, std::string_view mask = "\x01\x02\x03\x04") {
  std::string bytes;
  bytes += static_cast<char>(first);
  if (payload.size() < 126) {
    bytes += static_cast<char>(0x80 | payload.size());
  } else {
    bytes += static_cast<char>(0x80 | 127);
    append_big_endian(bytes, payload.size(), 8);
  }
  bytes += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) bytes += static_cast<char>(payload[i] ^ mask[i % 4]);
  return bytes;
}

std::string websocket_story(std::string_view bytes, std::size_t piece = std::string::npos) {
  WebSocketDecoder decoder(WebSocketPeer::client);
  std::string story;
  for (std::size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
    decoder.feed(bytes.substr(at, piece));
    while (true) {
      const auto message = decoder.next();
      if (!message) return story + "error";
      if (!*message) break;
      story += std::to_string(static_cast<int>((*message)->type)) + " " + (*message)->payload + "\n";
    }
  }
  return story + "more";
}

TEST(WebSocket, MessagesSurviveAnySplit) {
  const std::string bytes = masked(0x82, "hello") + masked(0x02, "fra") + masked(0x89, "ping") +
                            masked(0x00, "gmen") + masked(0x80, "ts") + masked(0x82, "") +
                            masked(0x88, "\x03\xe8");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4}, std::string::npos}) {
    EXPECT_EQ(websocket_story(bytes, piece), "2 hello\n9 ping\n2 fragments\n2 \n8 \x03\xe8\nmore") << piece;
  }
}

TEST(WebSocket, MalformedFramesAreErrors) {
  const std::pair<const char*, std::string> cases[] = {
      {"not masked", "\x82\x01x"s},
      {"an extension's bit", masked(0xc2, "x")},
      {"an unknown opcode", masked(0x83, "x")},
      {"an unknown control frame", masked(0x8b, "x")},
      {"a control frame in fragments", masked(0x09, "x")},
      {"a long control frame", masked(0x89, std::string(126, 'x'))},
      {"a continuation of nothing", masked(0x80, "x")},
      {"a message inside a message", masked(0x02, "x") + masked(0x82, "y")},
      {"an oversized frame", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"s},
      {"a message that grows without end", masked(0x02, std::string(1u << 20, 'x')) + masked(0x00, "y")},
  };
  for (const auto& [name, bytes] : cases) EXPECT_EQ(websocket_story(bytes), "error") << name;
}

TEST(WebSocket, AServersMessagesHaveAllLengths) {
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 1u << 20}) {
    WebSocketDecoder decoder(WebSocketPeer::server);
    decoder.feed(encode_websocket({WebSocketMessage::Type::binary, std::string(size, 'x')}));
    const auto message = decoder.next();
    ASSERT_TRUE(message.has_value() && message->has_value()) << size;
    EXPECT_EQ((*message)->payload.size(), size);
  }
}

TEST(WebSocket, TheHandshakeOfTheStandard) {  // RFC 6455 §1.3
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

}  // namespace
}  // namespace serin::local
