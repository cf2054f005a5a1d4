package ignis_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// expiring accepts clients for as long as their credentials say.
func expiring(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var who struct {
		User string
		For  string
	}
	if err := c.Decode(&who); err != nil || who.User == "" {
		return ignis.Identity{}, ignis.ErrUnauthenticated
	}
	id := ignis.Identity{UserID: who.User, Metadata: who.For}
	if d, err := time.ParseDuration(who.For); err == nil {
		id.Expires = time.Now().Add(d)
	}
	return id, nil
}

func TestSessionsEnd(t *testing.T) {
	for _, row := range []struct {
		protocol int
		lasts    time.Duration
		notice   time.Duration // before the end; 0: no notice
	}{
		{1, time.Hour, 0},
		{2, time.Hour, time.Minute},
		{2, 10 * time.Second, 5 * time.Second},
		{2, 2 * time.Minute, time.Minute},
		{2, 90 * time.Second, 45 * time.Second},
	} {
		bubble(t, func(t *testing.T) {
			n := startMem(t, ignis.Config{Authenticate: expiring, HeartbeatTimeout: 10 * time.Hour, IdleTimeout: -1})
			p := n.connect()
			p.text(fmt.Sprintf(`{"event":"authenticate","data":{"user":"ann","for":%q,"protocol":%d}}`, row.lasts, row.protocol))
			p.connected()
			end := time.Now().Add(row.lasts)
			if row.notice > 0 {
				time.Sleep(row.lasts - row.notice - 1)
				p.only()
				time.Sleep(time.Nanosecond)
				p.only(`{"event":"expiring","data":{"expires":"` + end.UTC().Format(wire.TimeFormat) + `"}}`)
				time.Sleep(row.notice - 1)
			} else {
				time.Sleep(row.lasts - 1)
			}
			p.only()
			time.Sleep(time.Nanosecond)
			p.only(closed(4005)...)
			if got := n.Stats().Disconnects; got[ignis.CauseExpired] != 1 {
				t.Errorf("%+v: %v", row, got)
			}
		})
	}
}

// A session that has already expired is refused, and a session that has ended cannot join
// rooms.
func TestExpiredSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Authenticate: expiring})
		p := n.connect()
		p.text(`{"event":"authenticate","data":{"user":"ann","for":"-1s"}}`)
		p.only(append([]string{failure(wire.ErrorRejected)}, closed(4003)...)...)
	})
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{
			Authenticate: expiring, ValidateRooms: allRooms,
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) { <-hold; return nil, nil },
		})
		p := n.connect()
		p.text(`{"event":"authenticate","data":{"user":"ann","for":"10s"}}`)
		p.connected()
		p.text(`{"event":"x"}`) // its handler runs until after the end
		p.join(names("a"))
		time.Sleep(10*time.Second - 1)
		close(hold)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(n.ClientsInRoom("a")) > 0 {
			t.Error("joined after the end")
		}
	})
}

func TestRefresh(t *testing.T) {
	allowed := func(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
		if c.Metadata == "5m" { // the first credentials
			return rooms, nil
		}
		return slices.DeleteFunc(rooms, func(room string) bool { return room == "b" }), nil
	}
	refresh := func(data string) string { return `{"event":"refresh","data":` + data + `,"id":"1"}` }
	forbidden := nack("1", wire.CodeForbidden, wire.ErrorRejected)
	in := func(d time.Duration) string {
		return ack("1", `{"expires":"`+time.Now().Add(d).UTC().Format(wire.TimeFormat)+`"}`)
	}
	for name, row := range map[string]struct {
		text   string
		want   func() string
		leaves bool
		ends   time.Duration // from now; 0: never
	}{
		"longer":       {refresh(`{"user":"ann","for":"1h"}`), func() string { return in(time.Hour) }, true, time.Hour},
		"no expiry":    {refresh(`{"user":"ann","for":"ever"}`), func() string { return ack("1", "{}") }, true, 0},
		"another user": {refresh(`{"user":"eve","for":"1h"}`), func() string { return forbidden }, false, 5 * time.Minute},
		"rejected":     {refresh(`{}`), func() string { return forbidden }, false, 5 * time.Minute},
		"over":         {refresh(`{"user":"ann","for":"-1s"}`), func() string { return forbidden }, false, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var d roomDiary
				cfg := d.config()
				refreshed := 0
				cfg.Authenticate = func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
					if c.Refreshed != nil && c.Refreshed.UserID == "ann" && c.Refreshed.ID == c.ClientID {
						refreshed++
					}
					return expiring(ctx, c)
				}
				cfg.ValidateRooms, cfg.HeartbeatTimeout, cfg.IdleTimeout = allowed, 10*time.Hour, -1
				n := startMem(t, cfg)
				p := n.connect()
				p.text(`{"event":"authenticate","data":{"user":"ann","for":"5m","protocol":2}}`)
				p.connected()
				p.join(names("a", "b"))
				_ = n.Join(p.id, "c") // by the application, regardless of the validator
				d.take()
				p.text(row.text)
				p.only(row.want())
				var left []string
				if row.leaves {
					left = []string{"ann leaves b: application"}
				}
				if got := d.take(); !slices.Equal(got, left) || refreshed != 1 {
					t.Errorf("%q after %d refreshes", got, refreshed)
				}
				if got := n.InRoom(p.id, "b"); got == row.leaves || !n.InRoom(p.id, "a") || !n.InRoom(p.id, "c") {
					t.Errorf("in b: %v", got)
				}
				time.Sleep(5*time.Minute - 1)
				p.got()
				if row.ends == 0 {
					time.Sleep(9 * time.Hour)
					p.only()
					return
				}
				time.Sleep(row.ends - 5*time.Minute)
				p.got()
				time.Sleep(time.Nanosecond)
				p.only(closed(4005)...)
			})
		})
	}
	// In protocol 1 this event belongs to the application.
	bubble(t, func(t *testing.T) {
		var l messages
		n := startMem(t, ignis.Config{OnMessage: l.handle})
		n.login("ann").text(`{"event":"refresh","data":{}}`)
		if got := l.take(); len(got) != 1 {
			t.Errorf("the application gets %v", got)
		}
	})
}
