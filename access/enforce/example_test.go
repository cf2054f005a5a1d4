package enforce_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
)

func Example() {
	rules, err := access.Compile([]access.Rule{
		{Match: "public-*", Join: access.JoinRule{Who: access.Anyone}},
		{
			Match: "lobby",
			Join:  access.JoinRule{Who: access.Anyone},
			Send:  []access.SendRule{{Events: []string{"say"}}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	var srv *ignis.Server
	policy, err := enforce.New(enforce.Config{
		Rules:  rules,
		Server: func() *ignis.Server { return srv },
	})
	if err != nil {
		log.Fatal(err)
	}
	srv, err = ignis.New(ignis.Config{
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: c.Token}, nil // a real application verifies the token
		},
		ValidateRooms: policy.ValidateRooms,
		OnMessage:     policy.OnMessage,
	})
	if err != nil {
		log.Fatal(err)
	}
	// Mount srv in an http.ServeMux, and run it with srv.Run.

	fmt.Println(policy.Explain(&ignis.Client{UserID: "ann"}, "lobby"))
	// Output: join: yes (rooms[1] "lobby")   send: say
}
