package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

const benchData = `{"id":12345,"text":"a message of a usual size, as chats have them, and some more","tags":["a","b"],"at":1234567890}`

func BenchmarkDecodeMessage(b *testing.B) {
	text := []byte(`{"event":"chat","data":` + benchData + `,"id":"7"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := wire.DecodeMessage(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := wire.Message{Event: "chat", Data: json.RawMessage(benchData)}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = wire.AppendMessage(dst[:0], m)
	}
	b.SetBytes(int64(len(dst)))
}

var benchEnvelope = wire.Envelope{
	ServerID: "4f9d2f3e-6f6b-4a0e-9a55-1f1f4d0f3a11", To: wire.ToRoom("lobby"),
	Event: "chat", Data: json.RawMessage(benchData),
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	text := wire.AppendEnvelope(nil, &benchEnvelope)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := wire.DecodeEnvelope(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendEnvelope(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = wire.AppendEnvelope(dst[:0], &benchEnvelope)
	}
	b.SetBytes(int64(len(dst)))
}
