package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// accept2 accepts any credentials and agrees on protocol 2.
func (p *peer) accept2(more string) {
	p.t.Helper()
	op, got, ok := p.next()
	if !ok || op != ws.OpText || !strings.Contains(got, `"protocol":2`) {
		p.fatalf("got %x %q, want authenticate with protocol 2", op, got)
	}
	p.text(strings.Replace(authenticated, `}}`, `,"protocol":2`+more+`}}`, 1))
}

// message reads a message.
func (p *peer) message() wire.Message {
	p.t.Helper()
	op, got, ok := p.next()
	m, err := wire.DecodeMessage([]byte(got))
	if !ok || op != ws.OpText || err != nil {
		p.fatalf("got %x %q, want a message: %v", op, got, err)
	}
	return m
}

// ack answers m; data may be empty.
func (p *peer) ack(m wire.Message, data string) {
	reply := wire.Message{Event: wire.EventAck, ID: m.ID}
	if data != "" {
		reply.Data = json.RawMessage(data)
	}
	p.text(string(wire.AppendMessage(nil, reply)))
}

func (p *peer) refuse(m wire.Message, data string) {
	p.text(string(wire.AppendMessage(nil, wire.Message{Event: wire.EventError, ID: m.ID, Data: json.RawMessage(data)})))
}

// serve2 is like serve for a script that starts after authentication with protocol 2.
func serve2(t testing.TB, script func(p *peer)) string {
	return serve(t, func(p *peer) {
		p.accept2("")
		script(p)
	})
}

// pipe2 is like pipe for protocol 2.
func pipe2(t *testing.T, cfg client.Config, script func(p *peer)) *client.Conn {
	t.Helper()
	cfg.NetDial = inMemory(t, func(p *peer) {
		p.accept2("")
		script(p)
	})
	return dial(t, "ws://server/ws", cfg)
}

func TestRequest(t *testing.T) {
	url := serve2(t, func(p *peer) {
		p.expect(`{"event":"a","data":"<1>","id":"#1"}`)
		p.text(`{"event":"ack","data":{"n":1},"id":"#1"}`)
		p.expect(`{"event":"b","id":"#2"}`)
		p.text(`{"event":"other"}`)
		p.text(`{"event":"ack","id":"#2"}`)
		p.expect(`{"event":"say","data":2,"room":"lobby","id":"#3"}`)
		p.text(`{"event":"error","data":{"message":"not you","code":"forbidden"},"id":"#3"}`)
		p.expect(`{"event":"d","id":"#4"}`)
		p.text(`{"event":"error","data":"?","id":"#4"}`)
		p.expect(`{"event":"e","id":"#5"}`)
		p.text(`{"event":"ack","data":null,"id":"#5"}`)
		p.drain()
	})
	c := dial(t, url, client.Config{})
	if m, err := c.Request(t.Context(), "a", "<1>"); err != nil || m.Event != "ack" || string(m.Data) != `{"n":1}` {
		t.Errorf("a: %+v, %v", m, err)
	}
	if m, err := c.Request(t.Context(), "b", nil); err != nil || m.Data != nil {
		t.Errorf("b: %+v, %v", m, err)
	}
	_, err := c.RequestMessage(t.Context(), wire.Message{Event: "say", Room: "lobby", Data: json.RawMessage("2")})
	var refused *client.Error
	if !errors.As(err, &refused) || *refused != (client.Error{Code: wire.CodeForbidden, Message: "not you"}) {
		t.Errorf("say: %v", err)
	} else if want := `event "say": the server refused: forbidden "not you"`; err.Error() != want {
		t.Errorf("the error's text is %s, want %s", err, want)
	}
	if _, err := c.Request(t.Context(), "d", nil); !errors.Is(err, client.ErrProtocol) {
		t.Errorf("d: %v, want ErrProtocol", err)
	}
	if m, err := c.Request(t.Context(), "e", nil); err != nil || string(m.Data) != "null" {
		t.Errorf("e: %+v, %v", m, err)
	}
	if got := receive(t, c); got != "other " { // and no answer
		t.Errorf("received %s", got)
	}
}

// A request that cannot be sent does not count toward MaxRequests.
func TestRequestRefuses(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.accept2(`,"maxPayload":60`)
		p.expect(`{"event":"x","data":"` + strings.Repeat("x", 60-33) + `","id":"#4"}`)
		p.text(`{"event":"ack","id":"#4"}`)
		p.expect(`{"event":"x","id":"mine"}`)
		p.text(`{"event":"ack","data":7,"id":"mine"}`)
		p.text(`{"event":"error","data":{"message":"m"}}`)
		p.text(`{"event":"ack","id":"#99"}`)
		p.expectClose(ws.StatusNormalClosure)
		p.close(ws.StatusNormalClosure, "")
	})
	c := dial(t, url, client.Config{MaxRequests: 1})
	for name, err := range map[string]error{
		"not JSON":       second(c.Request(t.Context(), "x", func() {})),
		"empty event":    second(c.Request(t.Context(), "", nil)),
		"broken message": second(c.RequestMessage(t.Context(), wire.Message{Event: "x", Data: []byte("{")})),
		"an id":          second(c.RequestMessage(t.Context(), wire.Message{Event: "x", ID: "1"})),
		"a reserved id":  c.SendMessage(t.Context(), wire.Message{Event: "x", ID: "#1"}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := c.Request(t.Context(), "x", strings.Repeat("x", 28)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("61 bytes: %v, want ErrTooLarge", err)
	}
	if err := c.Send(t.Context(), "x", strings.Repeat("x", 60)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("Send: %v, want ErrTooLarge", err)
	}
	if _, err := c.Request(t.Context(), "x", strings.Repeat("x", 27)); err != nil {
		t.Errorf("60 bytes: %v", err)
	}
	// Answers to the application's own IDs are received as messages.
	if err := c.SendMessage(t.Context(), wire.Message{Event: "x", ID: "mine"}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"ack 7", `error {"message":"m"}`, "ack "} {
		if got := receive(t, c); got != want {
			t.Errorf("received %s, want %s", got, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// The client does not send requests to a server of protocol 1, which would not answer them.
func TestRequestInProtocol1(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.accept()
		p.expect(`{"event":"join","data":{"rooms":["lobby"]}}`)
		p.expect(`{"event":"leave","data":{"rooms":["lobby"]}}`)
		p.expect(`{"event":"x","id":"#1"}`)
		for _, s := range []string{
			`{"event":"ack","data":1,"id":"#1"}`, `{"event":"error","data":{"message":"m"},"id":"#1"}`,
			`{"event":"expiring","data":2}`,
		} { // the application's
			p.text(s)
		}
		p.expectClose(ws.StatusNormalClosure)
		p.close(ws.StatusNormalClosure, "")
	})
	c := dial(t, url, client.Config{Refresh: func(context.Context) (any, error) {
		t.Error("Config.Refresh was called")
		return nil, nil
	}})
	if _, err := c.Request(t.Context(), "x", nil); !errors.Is(err, client.ErrNoAnswers) {
		t.Errorf("Request: %v, want ErrNoAnswers", err)
	}
	if _, err := c.Refresh(t.Context(), nil); !errors.Is(err, client.ErrNoAnswers) {
		t.Errorf("Refresh: %v, want ErrNoAnswers", err)
	}
	if joined, err := c.Join(t.Context(), "lobby"); err != nil || joined.Rooms != nil || joined.Refused != nil {
		t.Errorf("Join: %+v, %v", joined, err)
	}
	if err := c.Leave(t.Context(), "lobby"); err != nil {
		t.Error(err)
	}
	if err := c.SendMessage(t.Context(), wire.Message{Event: "x", ID: "#1"}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"ack 1", `error {"message":"m"}`, "expiring 2"} {
		if got := receive(t, c); got != want {
			t.Errorf("received %s, want %s", got, want)
		}
	}
}

// Many concurrent requests get their own answers, in any order.
func TestConcurrentRequests(t *testing.T) {
	const n = 100
	url := serve2(t, func(p *peer) {
		var got []wire.Message
		for range n {
			got = append(got, p.message())
		}
		for i := range got {
			m := got[len(got)-1-i]
			if i%2 == 0 {
				p.ack(m, string(m.Data))
			} else {
				p.refuse(m, fmt.Sprintf(`{"code":"internal","message":%q}`, m.Data))
			}
		}
		p.drain()
	})
	c := dial(t, url, client.Config{MaxRequests: n})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			m, err := c.Request(t.Context(), "x", i)
			var refused *client.Error
			switch {
			case err == nil && string(m.Data) == fmt.Sprint(i):
			case errors.As(err, &refused) && refused.Message == fmt.Sprint(i):
			default:
				t.Errorf("request %d: %s, %v", i, m.Data, err)
			}
		})
	}
	wg.Wait()
}

// The end of the connection ends requests with its error, unless the answer came
// first.
func TestRequestAtTheEnd(t *testing.T) {
	t.Run("closed by the server", func(t *testing.T) {
		url := serve2(t, func(p *peer) {
			first, second := p.message(), p.message()
			p.ack(first, "1")
			p.ack(second, "2")
			p.message()
			p.close(ws.StatusCode(wire.CloseDisconnected), "kicked")
			p.drain()
		})
		c := dial(t, url, client.Config{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := c.Request(t.Context(), "x", nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		_, err := c.Request(t.Context(), "x", nil)
		var closed *client.CloseError
		if !errors.As(err, &closed) || closed.Code != wire.CloseDisconnected {
			t.Errorf("Request: %v", err)
		}
		if _, err2 := c.Receive(t.Context()); err2 != err { // the identical error
			t.Errorf("Receive: %v, want %v", err2, err)
		}
	})
	t.Run("answered and closed", func(t *testing.T) {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				c := pipe2(t, client.Config{}, func(p *peer) {
					m := p.message()
					p.ack(m, "")
					p.close(1001, "")
					p.drain()
				})
				if _, err := c.Request(t.Context(), "x", nil); err != nil {
					t.Errorf("Request: %v", err)
				}
			})
		}
	})
	t.Run("closed here", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := pipe2(t, client.Config{}, func(p *peer) { p.drain() })
			done := make(chan error)
			go func() { done <- second(c.Request(t.Context(), "x", nil)) }()
			synctest.Wait()
			_ = c.Close()
			if err := <-done; !errors.Is(err, client.ErrClosed) {
				t.Errorf("Request: %v, want ErrClosed", err)
			}
			if _, err := c.Request(t.Context(), "x", nil); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Request: %v, want ErrClosed", err)
			}
		})
	})
}

// Requests of an encrypted client are sealed, including their IDs, and so are the
// answers.
func TestEncryptedRequest(t *testing.T) {
	url := serve(t, func(p *peer) {
		a, err := seal.Accept(p.offer("{}"), "")
		if err != nil {
			p.fatalf("%v", err)
		}
		p.text(`{"event":"connected","data":{"id":"c1","time":"2026-01-31T09:05:07.123Z","protocol":2,"serverPublicKey":"` + a.PublicKey + `","salt":"` + a.Salt + `"}}`)
		for _, answer := range []string{
			`{"event":"ack","data":"yes","id":"#1"}`,
			`{"event":"error","data":{"message":"no","code":"invalid"},"id":"#2"}`,
		} {
			m := p.message()
			text, err := a.Key.Open(nil, m.Data, nil)
			if err != nil || m.Event != wire.EventEncrypted || m.ID != "" {
				p.fatalf("got %+v: %v", m, err)
			}
			inner, err := wire.DecodeMessage(text)
			if err != nil || !strings.Contains(answer, `"`+inner.ID+`"`) {
				p.fatalf("got %s: %v", text, err)
			}
			p.text(string(a.Key.AppendFrame(nil, []byte(answer), nil)))
		}
		p.drain()
	})
	c := dial(t, url, client.Config{Encrypt: true})
	if m, err := c.Request(t.Context(), "x", nil); err != nil || string(m.Data) != `"yes"` {
		t.Errorf("Request: %s, %v", m.Data, err)
	}
	var refused *client.Error
	if _, err := c.Request(t.Context(), "x", nil); !errors.As(err, &refused) || refused.Code != wire.CodeInvalid {
		t.Errorf("Request: %v", err)
	}
}
