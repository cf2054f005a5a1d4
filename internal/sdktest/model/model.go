package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// model is the client. Everything but todo belongs to the goroutine that runs todo.
type model struct {
	url, flaw string
	setup     command
	options   settings
	todo      chan func()
	exited    bool

	state    string
	number   int // of the attempt; answers to earlier ones are ignored
	retry    *time.Timer
	failures int // n of rule R7
	reason   string
	fresh    bool      // the credentials are the answer to "rejected"
	drain    time.Time // from draining; zero if there was none
	used     json.RawMessage
	asks     []func(command)

	conn     net.Conn // nil unless it is open
	private  *ecdh.PrivateKey
	key      *seal.Key
	protocol int
	largest  int            // message in bytes; 0 if unknown
	heard    bool           // something, since the latest heartbeat
	said     wire.ErrorData // why the server refuses the attempt or ends the connection

	requests
	rooms
	throws     map[string]bool
	refreshing bool
	again      bool
	late       bool // for a flaw
}

func newModel(url, flaw string) *model {
	return &model{
		url: url, flaw: flaw, options: defaults(), todo: make(chan func(), 1024), state: "idle", reason: "connect",
		requests: requests{sent: make(map[string]*request)}, rooms: newRooms(), throws: make(map[string]bool),
	}
}

// after calls f after a time, unless the attempt or connection has ended by then.
func (m *model) after(millis int64, f func()) *time.Timer {
	n := m.number
	return time.AfterFunc(time.Duration(millis)*time.Millisecond, func() {
		m.todo <- func() {
			if n == m.number || m.flaw == "keeps old timers" || m.flaw == "connects after close" && m.state == "closed" {
				f()
			}
		}
	})
}

func (m *model) enter(state string, more map[string]any) {
	if m.state == state && m.flaw != "repeats states" { // another attempt, immediately
		return
	}
	m.state = state
	report := map[string]any{"state": state}
	for name, v := range more {
		report[name] = v
	}
	if m.flaw == "gives no reasons" {
		delete(report, "code")
		delete(report, "retryIn")
	}
	m.print(report)
}

func (m *model) connect() {
	switch {
	case m.flaw == "connects twice" && m.state == "connecting", m.flaw == "waits in any case" && m.state == "waiting":
	case m.state == "connecting" || m.state == "connected":
		return
	}
	if m.flaw == "waits in any case" && m.state == "waiting" {
		return
	}
	m.attempt()
}

// attempt begins an attempt.
func (m *model) attempt() {
	m.number++
	n := m.number
	m.enter("connecting", nil)
	m.after(m.options.ConnectTimeout, func() {
		if m.state == "connecting" && m.flaw != "never gives up" {
			m.ended("timeout", 0)
		}
	})
	reason := m.reason
	m.reason = "connect"
	if !m.setup.Provide || m.flaw == "skips the provider" && m.used != nil {
		if m.used == nil {
			m.used = m.setup.Credentials
		}
		m.dial(n, m.used)
		return
	}
	m.ask(reason, func(c command) {
		switch {
		case m.flaw == "connects after close" && m.state == "closed":
			m.state = "connecting"
			m.dial(m.number, c.Credentials)
		case n != m.number && m.flaw != "uses late answers" || m.state != "connecting":
		case c.Error != "" && m.flaw == "needs the provider":
			m.hangUp(0)
			m.enter("closed", nil)
		case c.Error != "":
			m.ended("unreachable", 0)
		default:
			m.used, m.fresh = c.Credentials, reason == "rejected"
			m.dial(m.number, c.Credentials)
		}
	})
}

func (m *model) ask(reason string, f func(command)) {
	m.asks = append(m.asks, f)
	m.print(map[string]any{"asked": reason, "ask": len(m.asks)})
}

// dial opens the socket and authenticates.
func (m *model) dial(n int, credentials json.RawMessage) {
	data := m.authentication(credentials)
	go func() {
		limit := time.Duration(m.options.ConnectTimeout) * time.Millisecond
		if m.flaw == "never gives up" {
			limit = time.Hour
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		conn, early, _, err := ws.Dial(ctx, m.url)
		m.todo <- func() {
			switch {
			case n != m.number:
				if err == nil && m.flaw == "uses late sockets" {
					_ = ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame([]byte(`{"event":"authenticate","data":{}}`))))
				}
				if err == nil {
					_ = conn.Close()
				}
			case err != nil:
				m.ended("unreachable", 0)
			default:
				m.conn = conn
				m.write(wire.Message{Event: wire.EventAuthenticate, Data: data})
				if m.flaw == "sends early" {
					m.write(wire.Message{Event: wire.EventHeartbeat})
					m.write(wire.Message{Event: "say"})
				}
				if m.flaw == "is connected early" {
					m.print(map[string]any{"state": "connected"})
				}
				go m.receive(n, conn, early)
			}
		}
	}()
}

// authentication returns the data of authenticate.
func (m *model) authentication(credentials json.RawMessage) json.RawMessage {
	data := map[string]json.RawMessage{"protocol": json.RawMessage("2")}
	if m.setup.Software != nil {
		data["client"] = m.setup.Software
	}
	if credentials != nil {
		_ = json.Unmarshal(credentials, &data)
	}
	switch m.flaw {
	case "does not offer protocol 2":
		delete(data, "protocol")
	case "replaces fields":
		data["protocol"] = json.RawMessage("2")
	}
	if m.key = nil; m.setup.Encryption {
		if m.private == nil || m.flaw != "uses one key pair" {
			m.private, _ = seal.NewPrivateKey()
		}
		data["publicKey"], _ = json.Marshal(seal.PublicKey(m.private))
	}
	text, _ := wire.EncodeData(data)
	return text
}

// close is what the application calls.
func (m *model) close() {
	if m.retry != nil && m.flaw != "connects after close" {
		m.retry.Stop()
	}
	if m.flaw != "uses late answers" {
		m.number++
	}
	m.hangUp(1000)
	m.fail("closed", "closed")
	m.enter("closed", nil)
}

// hangUp closes the socket with a code; 0 sends no close frame.
func (m *model) hangUp(code ws.StatusCode) {
	if m.conn == nil {
		return
	}
	conn := m.conn
	if code != 0 {
		m.frame(ws.OpClose, ws.NewCloseFrameBody(code, ""))
	}
	m.conn = nil
	if tcp, ok := conn.(*net.TCPConn); ok && code != 0 {
		_ = tcp.CloseWrite() // Close could reset the connection before the close frame is read
		time.AfterFunc(time.Second, func() { _ = conn.Close() })
		return
	}
	_ = conn.Close()
}

// ended handles the end of an attempt or connection. The code of a close frame is 0 if
// there was none.
func (m *model) ended(why string, code int) {
	m.number++
	m.hangUp(0)
	m.refreshing, m.again = false, false
	known, _ := wire.LookupClose(uint16(code))
	again := known.Reconnect
	if known.Code == 0 {
		again = code != 1002 && code != 1003 && (code < 1007 || code > 1010)
	}
	immediately := false
	switch {
	case code == 4003 && m.flaw == "insists":
		again = true
	case code == 4003 && m.setup.Provide && !m.fresh:
		again, immediately = true, true
		m.reason = "rejected"
	case code == 4003:
		why = "rejected"
	case code == 4004:
		why = "encryption_required"
	case known.Credentials && m.flaw != "asks for the usual credentials":
		m.reason = "rejected"
	case code == 4006 && m.flaw == "reconnects after 4006":
		again = true
	}
	if m.flaw == "reconnects after any code" && code != 4003 {
		again = true
	}
	if m.flaw == "gives up easily" && code != 1001 || m.flaw == "gives up after 4005" && code == 4005 {
		again = false
	}
	if m.options.Reconnect != nil && !*m.options.Reconnect && m.flaw != "always reconnects" ||
		why == "encryption_required" && m.flaw != "reconnects after any code" {
		again = false
	}
	report := map[string]any{"code": why}
	if code != 0 {
		report["closeCode"] = code
	}
	m.quote(report)
	m.loseRequests()
	switch {
	case !again:
		m.fail("closed", "closed")
		m.enter("closed", report)
	case immediately:
		m.attempt()
	default:
		m.wait(known.After, report)
	}
}

// wait waits for the next attempt.
func (m *model) wait(least time.Duration, report map[string]any) {
	limit := m.options.MaxDelay
	if m.failures < 30 {
		limit = min(limit, m.options.MinDelay<<m.failures)
	}
	if m.flaw == "knows no maximum" {
		limit = m.options.MinDelay << min(m.failures, 30)
	}
	m.failures++
	delay := rand.Int64N(limit + 1)
	if m.flaw == "has no jitter" {
		delay = limit
	}
	if m.flaw != "returns too early" {
		delay += least.Milliseconds()
	}
	if !m.drain.IsZero() && m.flaw != "ignores draining" {
		delay = max(0, time.Until(m.drain).Milliseconds()+1)
	}
	m.drain = time.Time{}
	report["retryIn"] = delay
	m.enter("waiting", report)
	m.retry = m.after(delay, func() {
		if m.state == "waiting" || m.flaw == "connects after close" {
			m.attempt()
		}
	})
}

// receive reads messages until the socket ends.
func (m *model) receive(n int, conn net.Conn, early *bufio.Reader) {
	r := newFrames(conn, early)
	for {
		op, payload, err := r.next()
		m.todo <- func() {
			if n != m.number {
				return
			}
			m.heard = m.heard || m.flaw != "counts messages only" || op == ws.OpText && !bytes.Contains(payload, []byte(`"ack"`))
			switch {
			case err != nil && op == ws.OpClose:
				var closed closeFrame
				if _ = errors.As(err, &closed); m.said.Message == "" {
					m.said.Message = closed.reason
				}
				m.ended("lost", closed.code)
			case err != nil:
				m.ended("lost", 0)
			case op == ws.OpPing:
				m.frame(ws.OpPong, payload)
			case op == ws.OpText:
				m.text(payload)
			}
		}
		if err != nil {
			return
		}
	}
}

// violated ends a connection on which the server violates the protocol.
func (m *model) violated(code ws.StatusCode, why string) {
	m.hangUp(code)
	m.ended(why, 0)
}
