package ignis_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
)

// Ten messages with two keys, each a quarter of the limit, are sent to a room or to
// everyone while a client does not read. The policy determines which of them the client
// receives.
func TestSlowPolicies(t *testing.T) {
	rooms := func(room string) ignis.SlowPolicy {
		switch room {
		case "prices":
			return ignis.SlowLatest
		case "panics":
			panic("no luck")
		case "wrong":
			return 99
		}
		return ignis.SlowDropOldest
	}
	for name, row := range map[string]struct {
		cfg     ignis.Config
		room    string // "": everyone
		want    string // numbers of the messages received; "-": cut off
		dropped map[string]uint64
	}{
		"disconnect":     {ignis.Config{}, "", "-", map[string]uint64{"backpressure": 1}},
		"drop newest":    {ignis.Config{SlowPolicy: ignis.SlowDropNewest}, "", "0 1 2 3", map[string]uint64{"backpressure": 6}},
		"drop oldest":    {ignis.Config{SlowPolicy: ignis.SlowDropOldest}, "", "0 6 7 8 9", map[string]uint64{"oldest": 5}},
		"latest":         {ignis.Config{SlowPolicy: ignis.SlowLatest}, "", "0 8 9", map[string]uint64{"replaced": 7}},
		"of the room":    {ignis.Config{RoomSlowPolicy: rooms}, "prices", "0 8 9", map[string]uint64{"replaced": 7}},
		"another room":   {ignis.Config{RoomSlowPolicy: rooms}, "news", "0 6 7 8 9", map[string]uint64{"oldest": 5}},
		"no room":        {ignis.Config{RoomSlowPolicy: rooms}, "", "-", map[string]uint64{"backpressure": 1}},
		"a panic":        {ignis.Config{RoomSlowPolicy: rooms, SlowPolicy: ignis.SlowDropNewest}, "panics", "0 1 2 3", map[string]uint64{"backpressure": 6}},
		"unknown policy": {ignis.Config{RoomSlowPolicy: rooms, SlowPolicy: ignis.SlowDropNewest}, "wrong", "0 1 2 3", map[string]uint64{"backpressure": 6}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				row.cfg.ValidateRooms = allRooms
				n := startMem(t, row.cfg)
				p := n.raw() // neither the client nor its pipe reads
				p.text(authenticate)
				synctest.Wait()
				if row.room != "" {
					p.text(fmt.Sprintf(`{"event":"join","data":{"rooms":[%q]}}`, row.room))
				}
				synctest.Wait()
				p.frame()
				to := ignis.ToEveryone()
				if row.room != "" {
					to = ignis.ToRoom(row.room)
				}
				for i := range 10 {
					data := fmt.Sprintf("%d %s", i, strings.Repeat("x", 1<<18-1000))
					if err := n.SendLocal(to, "x", data, ignis.Key([]string{"AAPL", "GOOG"}[i%2])); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				st := n.Stats()
				for reason, count := range map[string]uint64{"backpressure": 0, "oldest": 0, "replaced": 0} {
					if want := row.dropped[reason] + count; st.Dropped[reason] != want {
						t.Errorf("dropped for %s: %d, want %d", reason, st.Dropped[reason], want)
					}
				}
				if row.want == "-" {
					if st.Disconnects["backpressure"] != 1 {
						t.Errorf("disconnects: %v", st.Disconnects)
					}
					return
				}
				p.pump()
				var got []string
				for _, line := range p.got() {
					got = append(got, strings.TrimPrefix(line, `{"event":"x","data":"`)[:1])
				}
				if strings.Join(got, " ") != row.want {
					t.Errorf("received %v, want %s", got, row.want)
				}
			})
		})
	}
}

func TestSlowPolicyText(t *testing.T) {
	for _, text := range []string{"disconnect", "drop-newest", "drop-oldest", "latest"} {
		var p ignis.SlowPolicy
		if err := p.UnmarshalText([]byte(text)); err != nil || p.String() != text {
			t.Errorf("%s: %v, %v", text, p, err)
		}
		if b, err := p.MarshalText(); err != nil || string(b) != text {
			t.Errorf("%s: %s, %v", text, b, err)
		}
	}
	p := ignis.SlowLatest
	if err := p.UnmarshalText([]byte("newest")); err == nil || p != ignis.SlowLatest {
		t.Errorf("newest: %v, %v", p, err)
	}
	if _, err := ignis.New(ignis.Config{Authenticate: anyone, SlowPolicy: 9}); err == nil || ignis.SlowPolicy(9).String() != "SlowPolicy(9)" {
		t.Errorf("an unknown policy: %v", err)
	}
}

// A message replaces another one with the same key only if the address and the event are
// the same as well.
func TestKeysOfDifferentMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{SlowPolicy: ignis.SlowLatest, ValidateRooms: allRooms, BackpressureLimit: 1 << 20})
		p := n.raw()
		p.text(authenticate)
		synctest.Wait()
		p.text(`{"event":"join","data":{"rooms":["a","b"]}}`)
		synctest.Wait()
		p.frame()
		fill := strings.Repeat("x", 600_000) // so that the client is behind
		_ = n.SendLocal(ignis.ToEveryone(), "fill", fill)
		synctest.Wait()
		_ = n.SendLocal(ignis.ToEveryone(), "fill", fill)
		for i := range 2 {
			_ = n.SendLocal(ignis.ToRoom("a"), "x", i, ignis.Key("k"))
			_ = n.SendLocal(ignis.ToRoom("b"), "x", i, ignis.Key("k"))
			_ = n.SendLocal(ignis.ToRoom("a"), "y", i, ignis.Key("k"))
		}
		if err := n.SendLocal(ignis.ToRoom("a"), "x", 2, ignis.Key(strings.Repeat("k", 257))); err == nil {
			t.Error("a key of 257 bytes is sent")
		}
		p.pump()
		var got []string
		for _, line := range p.got() {
			if !strings.Contains(line, "fill") {
				got = append(got, line)
			}
		}
		want := []string{`{"event":"x","data":1}`, `{"event":"x","data":1}`, `{"event":"y","data":1}`}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("received %q, want %q", got, want)
		}
	})
}
