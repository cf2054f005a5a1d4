package app

import (
	"context"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/logtest"
)

// The log lines of the access rules that were left out are reported, without a further line of the
// same kind.
func TestLinesOfRulesAreReported(t *testing.T) {
	rules, err := access.Compile([]access.Rule{{Match: "lobby", Join: access.JoinRule{Who: access.Anyone}}})
	if err != nil {
		t.Fatal(err)
	}
	var log logtest.Log
	ready := make(chan struct{})
	c := production()
	c.Rules, c.Server.Logger, c.OnReady = rules, log.Logger(), func([]string) { close(ready) }
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := start(func() error { return a.Run(ctx) })
	<-ready
	for _, room := range []string{"hall", "attic"} {
		_, _ = a.rooms.ValidateRooms(t.Context(), &ignis.Client{ID: "c", UserID: "ann"}, []string{room})
	}
	cancel()
	<-running.done
	if want := `reason="no rule matches the room" more=1 in_the_last=`; log.Count(want) != 1 || !log.Has("latest.room=attic latest.client=c latest.user=ann") {
		t.Errorf("the log does not contain %s:\n%s", want, &log)
	}
}
