package seal_test

import (
	"fmt"
	"log"

	"github.com/ignis-go/ignis/seal"
)

// A client and a server agree on a key, and the server sends a message.
func Example() {
	// The client generates a key pair and sends the public key.
	own, err := seal.NewPrivateKey()
	if err != nil {
		log.Fatal(err)
	}
	// The server answers with a.PublicKey and a.Salt.
	a, err := seal.Accept(seal.PublicKey(own), "")
	if err != nil {
		log.Fatal(err)
	}
	// The client derives the same key.
	key, err := seal.Complete(own, a.PublicKey, a.Salt, "")
	if err != nil {
		log.Fatal(err)
	}

	data := a.Key.AppendData(nil, []byte(`{"event":"price","data":42}`), nil)
	message, err := key.Open(nil, data, nil)
	fmt.Printf("%s %v\n", message, err)
	// Output: {"event":"price","data":42} <nil>
}

func ExampleKey_Open() {
	one, _ := seal.NewKey([]byte("01234567890123456789012345678901"))
	other, _ := seal.NewKey([]byte("98765432109876543210987654321098"))
	data := one.AppendData(nil, []byte(`{"event":"price","data":42}`), nil)
	_, err := other.Open(nil, data, nil)
	fmt.Println(err)
	// Output: seal: message is malformed or was not sealed with this key
}
