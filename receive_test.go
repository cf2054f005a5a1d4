package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
)

// Envelopes from the bus, and their recipients. ID stands for bob's ID, OWN for the
// server's.
func TestReceive(t *testing.T) {
	const everyone = "ann1 ann2 bob none"
	const counted, malformed, unknown = "", "malformed", "unknown"
	for name, row := range map[string]struct {
		envelope string
		want     string
		verdict  string
	}{
		"from an emitter":         {`{"serverId":"emitter","type":"broadcast","event":"x","data":1}`, everyone, counted},
		"from a server":           {`{"serverId":"b1","type":"broadcast","event":"x","data":1}`, everyone, counted},
		"its own":                 {`{"serverId":"OWN","type":"broadcast","event":"x","data":1}`, "", counted},
		"client":                  {`{"serverId":"s","type":"client","target":"ID","event":"x","data":1}`, "bob", counted},
		"client, unknown":         {`{"serverId":"s","type":"client","target":"y","event":"x","data":1}`, "", counted},
		"a room as a client":      {`{"serverId":"s","type":"client","target":"lobby","event":"x","data":1}`, "", counted},
		"user":                    {`{"serverId":"s","type":"user","target":"ann","event":"x","data":1}`, "ann1 ann2", counted},
		"room":                    {`{"serverId":"s","type":"room","target":"lobby","event":"x","data":1}`, "ann1 bob", counted},
		"room of a client":        {`{"serverId":"s","type":"room","target":"ID","event":"x","data":1}`, "bob", counted},
		"broadcast with a target": {`{"serverId":"s","type":"broadcast","target":"lobby","event":"x","data":1}`, everyone, counted},
		"no target":               {`{"serverId":"s","type":"room","event":"x","data":1}`, "", malformed},
		"an empty target":         {`{"serverId":"s","type":"user","target":"","event":"x","data":1}`, "", malformed},
		"target is a number":      {`{"serverId":"s","type":"room","target":5,"event":"x","data":1}`, "", malformed},
		"room exclude":            {`{"serverId":"s","type":"room","target":"lobby","event":"x","data":1,"exclude":["ID"]}`, "ann1", counted},
		"broadcast exclude":       {`{"serverId":"s","type":"broadcast","event":"x","data":1,"exclude":["ID","y"]}`, "ann1 ann2 none", counted},
		"user exclude":            {`{"serverId":"s","type":"user","target":"bob","event":"x","data":1,"exclude":["ID"]}`, "bob", counted},
		"client exclude":          {`{"serverId":"s","type":"client","target":"ID","event":"x","data":1,"exclude":["ID"]}`, "bob", counted},
		"exclude nobody":          {`{"serverId":"s","type":"broadcast","event":"x","data":1,"exclude":[]}`, everyone, counted},
		"exclude null":            {`{"serverId":"s","type":"broadcast","event":"x","data":1,"exclude":null}`, everyone, counted},
		"keys in another order":   {`{"data":1,"event":"x","more":[],"type":"broadcast","serverId":"s"}`, everyone, counted},
		"unknown type":            {`{"serverId":"s","type":"everything","event":"x","data":1}`, "", unknown},
		"no type":                 {`{"serverId":"s","event":"x","data":1}`, "", unknown},
		"type is a number":        {`{"serverId":"s","type":5,"event":"x","data":1}`, "", unknown},
		"not JSON":                {secret, "", malformed},
		"empty":                   {``, "", malformed},
		"an array":                {`[]`, "", malformed},
		"a string":                {`"` + secret + `"`, "", malformed},
		"null":                    {`null`, "", malformed},
		"no server":               {`{"type":"broadcast","event":"x","data":1}`, "", malformed},
		"server is a number":      {`{"serverId":5,"type":"broadcast","event":"x","data":1}`, "", malformed},
		"no event":                {`{"serverId":"s","type":"broadcast","data":1}`, "", malformed},
		"event is a number":       {`{"serverId":"s","type":"broadcast","event":5,"data":1}`, "", malformed},
		"bad data":                {`{"serverId":"s","type":"broadcast","event":"x","data":` + secret + `}`, "", malformed},
		"an extra brace":          {`{"serverId":"s","type":"broadcast","event":"x","data":1}}`, "", malformed},
		"too deep":                {`{"serverId":"s","type":"broadcast","event":"x","data":` + nested(10_000) + `}`, "", malformed},
		"invalid UTF-8 in data":   {"{\"serverId\":\"s\",\"type\":\"broadcast\",\"event\":\"x\",\"data\":\"\xff\"}", "", malformed},
		"invalid UTF-8 in event":  {"{\"serverId\":\"s\",\"type\":\"broadcast\",\"event\":\"\xff\",\"data\":1}", "", malformed},
		"exclude is a string":     {`{"serverId":"s","type":"broadcast","event":"x","data":1,"exclude":"ID"}`, everyone, counted},
		"exclude has a number":    {`{"serverId":"s","type":"broadcast","event":"x","data":1,"exclude":["ID",5]}`, "ann1 ann2 none", counted},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newFakeBus()
				c := newCrowd(t, b)
				b.in <- []byte(strings.NewReplacer("ID", c.bob.id, "OWN", c.ID()).Replace(row.envelope))
				if got := c.reached(line); got != row.want {
					t.Errorf("reached %q, want %q", got, row.want)
				}
				s := c.Stats()
				if s.BusReceived != 1 || (s.BusMalformed == 1) != (row.verdict == malformed) || (s.BusUnknown == 1) != (row.verdict == unknown) {
					t.Errorf("counted %d, %d malformed, %d unknown", s.BusReceived, s.BusMalformed, s.BusUnknown)
				}
				if c.log.Has("malformed envelope") != (row.verdict == malformed) {
					t.Errorf("log: %s", c.log)
				}
				if sent := b.take(); len(sent) > 0 {
					t.Errorf("published %q", sent)
				}
			})
		})
	}
}

func TestReceivedDataIsNotTouched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Bus: b})
		p := n.login("ann")
		for _, data := range []string{`12345678901234567890123`, "{ \"a\" : \"<&>\u2028\\u003c\" }", `null`} {
			b.in <- []byte(`{"serverId":"emitter","type":"broadcast","event":"x","data":` + data + `}`)
			p.only(`{"event":"x","data":` + data + `}`)
		}
		b.in <- []byte(`{"serverId":"emitter","type":"broadcast","event":"x"}`)
		p.only(`{"event":"x"}`)
	})
}

// Envelopes that arrive together keep their order, and each reaches its recipients.
func TestReceiveTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		c := newCrowd(t, b)
		envelope := func(n int, more string) []byte {
			return fmt.Appendf(nil, `{"serverId":"s","event":"x","data":%d,%s}`, n, more)
		}
		const all, lobby = `"type":"broadcast"`, `"type":"room","target":"lobby"`
		ignis.Receive(c.Server,
			envelope(1, all), envelope(2, all), []byte(secret), envelope(3, all),
			envelope(4, lobby), envelope(5, lobby), envelope(6, `"type":"other"`), envelope(7, lobby),
			envelope(8, all+`,"exclude":["`+c.bob.id+`"]`), envelope(9, all), envelope(10, all),
			envelope(11, all+`,"exclude":["`+c.bob.id+`"]`), envelope(12, all+`,"exclude":["`+c.bob.id+`"]`),
			envelope(13, `"type":"user","target":"bob"`), envelope(14, `"type":"client","target":"`+c.bob.id+`"`),
			envelope(15, `"type":"room","target":"`+c.bob.id+`"`), envelope(16, all))
		for name, row := range map[string]struct {
			p    *peer
			want []int
		}{
			"ann1":     {c.ann1, []int{1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 16}},
			"ann2":     {c.ann2, []int{1, 2, 3, 8, 9, 10, 11, 12, 16}},
			"bob":      {c.bob, []int{1, 2, 3, 4, 5, 7, 9, 10, 13, 14, 15, 16}},
			"stranger": {c.stranger, nil},
		} {
			var want []string
			for _, n := range row.want {
				want = append(want, fmt.Sprintf(`{"event":"x","data":%d}`, n))
			}
			if got := row.p.got(); !slices.Equal(got, want) {
				t.Errorf("%s received %q, want %q", name, got, want)
			}
		}
		s := c.Stats()
		if s.BusReceived != 17 || s.BusMalformed != 1 || s.BusUnknown != 1 {
			t.Errorf("counted %d, %d malformed, %d unknown", s.BusReceived, s.BusMalformed, s.BusUnknown)
		}
		ignis.Receive(c.Server)
		// More messages than fit into a run, some of them larger than a run.
		large := strings.Repeat("y", 70_000)
		var many [][]byte
		var want []string
		for i := range 1000 {
			data := fmt.Sprintf(`[%d,%q]`, i, large[:min(len(large), i%7*(i%300))])
			if i%250 == 0 {
				data = fmt.Sprintf(`%q`, large)
			}
			many = append(many, []byte(`{"serverId":"s","event":"x",`+all+`,"data":`+data+`}`))
			want = append(want, `{"event":"x","data":`+data+`}`)
		}
		ignis.Receive(c.Server, many...)
		if got := c.ann2.got(); !slices.Equal(got, want) {
			t.Errorf("received %d messages, want %d in order", len(got), len(want))
		}
	})
}

func TestBusDoesNotStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		<-b.starting
		n := newNode(t, ignis.Config{Bus: b})
		cause := errors.New("no Redis within 30s")
		b.starting <- cause
		if err := <-n.ran; !errors.Is(err, cause) || !strings.Contains(err.Error(), "did not start") {
			t.Errorf("Run: %v", err)
		}
		select {
		case <-n.Ready():
			t.Error("ready")
		default:
		}
		n.ran <- nil
	})
}

func TestBusEnds(t *testing.T) {
	for _, cause := range []error{errors.New("gone for good"), nil} {
		bubble(t, func(t *testing.T) {
			b := newFakeBus()
			n := startMem(t, ignis.Config{Bus: b})
			p := n.login("ann")
			b.down <- cause
			if err := <-n.ran; err == nil || cause != nil && !errors.Is(err, cause) {
				t.Errorf("Run: %v", err)
			}
			p.only(closed(1001)...)
		})
	}
}

// While the bus is down, messages reach the clients of this instance.
func TestBusDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		b.lost = 7
		c := newCrowd(t, b)
		down := errors.New("connection refused")
		b.fail(down)
		for range 20 {
			err := c.Send(context.Background(), ignis.ToUser("bob"), "x", 1)
			var busErr *ignis.BusError
			if !errors.As(err, &busErr) || !errors.Is(err, down) || busErr.Err != down {
				t.Errorf("Send: %v", err)
			}
			if got := c.reached(line); got != "bob" {
				t.Errorf("reached %q", got)
			}
		}
		if h := c.Health(); !h.Ready || !errors.Is(h.Bus, down) {
			t.Errorf("health: %+v", h)
		}
		if s := c.Stats(); s.BusRefused != 20 || s.BusPublished != 0 || s.BusLost != 7 {
			t.Errorf("counted %+v", s)
		}
		if got := c.log.Count("bus refused an envelope"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		b.fail(nil)
		if err := c.Send(context.Background(), ignis.ToUser("bob"), "x", 1); err != nil || len(b.take()) != 1 {
			t.Errorf("afterwards: %v", err)
		}
		if h := c.Health(); !h.Ready || h.Bus != nil {
			t.Errorf("health: %+v", h)
		}
	})
}

// No connection is accepted before the bus is subscribed.
func TestNotReadyBeforeTheBus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		<-b.starting
		n := newNode(t, ignis.Config{Bus: b})
		status := func() int {
			w := httptest.NewRecorder()
			n.ServeHTTP(w, upgradeRequest())
			return w.Code
		}
		time.Sleep(time.Hour)
		if got := status(); got != http.StatusServiceUnavailable || n.Health().Ready {
			t.Errorf("status %d before the bus is subscribed", got)
		}
		if err := n.SendLocal(ignis.ToEveryone(), "x", 1); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("SendLocal: %v", err)
		}
		b.starting <- nil
		synctest.Wait()
		n.listen()
		n.patience = time.Hour
		n.login("ann")
		if !n.Health().Ready {
			t.Error("not ready")
		}
		n.stop()
		if synctest.Wait(); status() != http.StatusServiceUnavailable || n.Health().Ready {
			t.Error("ready after the end")
		}
	})
}

func upgradeRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(k, v)
	}
	return r
}

func TestFailedUpgrade(t *testing.T) {
	n := start(t, ignis.Config{})
	s := httptest.NewServer(n.Server)
	defer s.Close()
	for name, row := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"plain GET":    {func(r *http.Request) { r.Header = http.Header{} }, http.StatusUpgradeRequired},
		"POST":         {func(r *http.Request) { r.Method = http.MethodPost }, http.StatusMethodNotAllowed},
		"old version":  {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, http.StatusUpgradeRequired},
		"no key":       {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, http.StatusBadRequest},
		"wrong origin": {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := upgradeRequest()
			row.change(r)
			r.RequestURI = ""
			r.URL.Scheme, r.URL.Host = "http", s.Listener.Addr().String()
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != row.want {
				t.Errorf("status %s, want %d", resp.Status, row.want)
			}
		})
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	n.until("all are counted", func() bool { // counted after the answer
		s := n.Stats()
		return s.RefusedUpgrade == 4 && s.RefusedAccept == 1 && s.Connections == 0
	})
	// Each reason is logged above the debug level.
	if got := n.log.Count(`level=INFO msg="connection refused: handshake"`); got != 4 {
		t.Errorf("%d lines about failed handshakes:\n%s", got, n.log)
	}
	if !n.log.Has(`msg="connection refused" `) || !n.log.Has("origin=https://evil.example") || !n.log.Has("remote=127.0.0.1:") {
		t.Errorf("the refused origin is not in the log:\n%s", n.log)
	}
}

// Middleware whose ResponseWriter hides the connection makes every upgrade fail, which is
// an error of the application.
func TestHijackMadeImpossible(t *testing.T) {
	n := start(t, ignis.Config{})
	for range 2 {
		n.ServeHTTP(struct{ http.ResponseWriter }{httptest.NewRecorder()}, upgradeRequest())
	}
	if n.log.Count(`level=ERROR msg="connection failed: middleware keeps the connection from being taken over"`) != 1 || n.Stats().FailedUpgrade != 2 {
		t.Errorf("the log:\n%s", n.log)
	}
}
