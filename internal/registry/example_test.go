package registry_test

import (
	"fmt"

	"github.com/ignis-go/ignis/internal/registry"
)

func Example() {
	r := registry.New[string]()
	ann := &registry.Member[string]{ID: "1", Value: "Ann's tab"}
	r.Add(ann)
	r.Activate(ann, "ann")
	_, _ = r.Join(ann, "lobby", 10, true)
	fmt.Println(r.AppendRoom(nil, "lobby"), r.AppendUser(nil, "ann"), ann.Rooms())
	r.Remove(ann)
	fmt.Println(r.Counts().Rooms)
	// Output:
	// [Ann's tab] [Ann's tab] [1 lobby]
	// 0
}
