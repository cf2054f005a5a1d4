package wire_test

import (
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

func Example() {
	m, err := wire.DecodeMessage([]byte(`{"event":"chat","data":{"text":"hello"},"id":"7"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var chat struct{ Text string }
	if err := m.Decode(&chat); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Event, chat.Text, m.ID)

	e := wire.Envelope{ServerID: wire.EmitterID, To: wire.ToRoom("lobby"), Event: m.Event, Data: m.Data}
	fmt.Println(e.To.Channel())
	fmt.Printf("%s\n", wire.AppendEnvelope(nil, &e))
	// Output:
	// chat hello 7
	// ws:room:lobby
	// {"serverId":"emitter","type":"room","target":"lobby","event":"chat","data":{"text":"hello"}}
}

// A parser that ignores case, or uses one of two duplicates, could see another user.
func ExampleEachField() {
	seen := map[string]bool{}
	err := wire.EachField([]byte(`{"sub":"ann","SUB":"eve","s\u0075b":"bob"}`), func(key, value []byte) {
		fmt.Printf("%s is %s, seen before: %v\n", key, value, seen[string(key)])
		seen[string(key)] = true
	})
	fmt.Println(err)
	// Output:
	// sub is "ann", seen before: false
	// SUB is "eve", seen before: false
	// sub is "bob", seen before: true
	// <nil>
}

func ExampleEncodeData() {
	data, err := wire.EncodeData(map[string]string{"html": "<b>1 & 2</b>"})
	fmt.Printf("%s %v\n", data, err)
	// Output: {"html":"<b>1 & 2</b>"} <nil>
}
