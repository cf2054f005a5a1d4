package redisconn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// server is a connection from which the given data is read in pieces.
type server struct {
	net.Conn
	sends  []byte
	piece  func() int // size of the next Read
	closed bool
}

func (s *server) Read(b []byte) (int, error) {
	if len(s.sends) == 0 {
		return 0, io.EOF
	}
	n := min(max(1, s.piece()), len(b), len(s.sends))
	copy(b, s.sends[:n])
	s.sends = s.sends[n:]
	return n, nil
}

func (s *server) Write(b []byte) (int, error) { return len(b), nil }

func (s *server) Close() error {
	s.closed = true
	return nil
}

// command returns a command as a client writes it.
func command(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// commands is like command for several commands, one per line.
func commands(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(command(strings.Fields(line)...))
	}
	return b.String()
}

// receive writes data as the client, and then reads data that a server sends in pieces. It
// returns the data that passed the check, and the error if not all of it did.
func receive(t testing.TB, written, sent string, limit int, piece func() int) (passed string, err error) {
	t.Helper()
	s := &server{sends: []byte(sent), piece: piece}
	c := redisconn.Wrap(s, limit)
	for _, b := range []byte(written) { // in pieces of one byte
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	var got bytes.Buffer
	_, err = io.Copy(&got, c)
	if err == nil {
		return got.String(), nil
	}
	var refused *redisconn.Error
	if !errors.As(err, &refused) || !errors.Is(c.Refused(), err) || !s.closed {
		t.Fatalf("Read: %v, Refused: %v, closed: %v; want the same *Error, and a closed connection", err, c.Refused(), s.closed)
	}
	if _, again := c.Read(make([]byte, 1)); !errors.Is(again, err) {
		t.Fatalf("the next Read: %v, want %v", again, err)
	}
	if _, again := c.Write([]byte("x")); !errors.Is(again, err) {
		t.Fatalf("the next Write: %v, want %v", again, err)
	}
	return got.String(), err
}

func all() int { return 1 << 20 }
func one() int { return 1 }

const (
	hello3 = "HELLO 3"
	isRESP = "%1\r\n$5\r\nproto\r\n:3\r\n"
)

func pushed(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ">%d\r\n", len(words))
	for _, w := range words {
		if strings.HasPrefix(w, ":") || w == "_" {
			b.WriteString(w + "\r\n")
			continue
		}
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// confirmed is the reply to SUBSCRIBE a and PSUBSCRIBE b* c*.
var confirmed = pushed("subscribe", "a", ":1") + pushed("psubscribe", "b*", ":2") + pushed("psubscribe", "c*", ":3")

func TestValidReplies(t *testing.T) {
	deep := strings.Repeat("*1\r\n", 15) + "*0\r\n"
	for name, test := range map[string]struct{ written, sent string }{
		"handshake":     {commands(hello3, "CLIENT SETINFO LIB-NAME x", "PING"), isRESP + "+OK\r\n+PONG\r\n"},
		"old handshake": {commands(hello3, "HELLO 2", "PING"), "-ERR unknown command 'HELLO'\r\n*2\r\n$5\r\nproto\r\n:2\r\n+PONG\r\n"},
		"any type": {
			commands("EVAL x 0"),
			"*13\r\n+\r\n-ERR x\r\n:-9223372036854775807\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n_\r\n#t\r\n,1.5\r\n(123\r\n%1\r\n=5\r\ntxt:a\r\n~0\r\n!3\r\nERR\r\n",
		},
		"deeply nested":          {commands("EVAL x 0"), deep},
		"errors":                 {commands("PING", "PUBLISH a b", "HELLO 3"), "-MISCONF x\r\n-NOPERM x\r\n-NOAUTH x\r\n"},
		"a transaction":          {commands("MULTI", "PUBLISH a b", "ROLE", "EXEC"), "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
		"moved":                  {commands("EVAL x 0", "EVAL x 0"), "-MOVED 1 h:1\r\n-ASK 1 h:1\r\n"},
		"publishes":              {commands("PUBLISH a b", "PUBLISH a b", "PUBLISH a b"), ":0\r\n:12\r\n:1\r\n"},
		"refused subscription":   {commands(hello3, "SUBSCRIBE a", "PING"), isRESP + "-NOPERM no\r\n+PONG\r\n"},
		"a master's address":     {commands("SENTINEL GET-MASTER-ADDR-BY-NAME m", "SENTINEL SENTINELS m"), "*2\r\n$1\r\nh\r\n$1\r\n1\r\n*0\r\n"},
		"an unknown master":      {commands("SENTINEL GET-MASTER-ADDR-BY-NAME m"), "*-1\r\n"},
		"messages":               {commands(hello3, "SUBSCRIBE a", "PSUBSCRIBE b* c*"), isRESP + confirmed + pushed("message", "a", "x") + pushed("pmessage", "b*", "b", "")},
		"sharded":                {commands(hello3, "SSUBSCRIBE a"), isRESP + pushed("ssubscribe", "a", ":1") + pushed("smessage", "a", "x") + pushed("sunsubscribe", "a", ":0")},
		"message in between":     {commands(hello3, "PSUBSCRIBE a b"), isRESP + pushed("psubscribe", "a", ":1") + pushed("pmessage", "a", "a", "x") + pushed("psubscribe", "b", ":2")},
		"a Sentinel's events":    {commands(hello3, "SUBSCRIBE +switch-master +reboot"), isRESP + pushed("subscribe", "+switch-master", ":1") + pushed("subscribe", "+reboot", ":2") + pushed("message", "+switch-master", "m a 1 b 2") + pushed("message", "+reboot", "slave a b 1 @ m h 2")},
		"unsubscribed":           {commands(hello3, "UNSUBSCRIBE", "PING", "PING"), isRESP + pushed("unsubscribe", "_", ":0") + "+PONG\r\n+PONG\r\n"},
		"refused unsubscription": {commands(hello3, "UNSUBSCRIBE", "PING", "PING"), isRESP + "-NOPERM UNSUBSCRIBE\r\n-NOPERM 'ping'\r\n+PONG\r\n"},
		"messages of RESP2":      {commands("SUBSCRIBE a", "PING"), strings.ReplaceAll(pushed("subscribe", "a", ":1")+pushed("message", "a", "x"), ">", "*") + "*2\r\n$4\r\npong\r\n$0\r\n\r\n"},
		"of the maximum size":    {commands("EVAL x 0"), "$986\r\n" + strings.Repeat("x", 986) + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "any type" {
				test.sent = strings.Replace(strings.Replace(test.sent, "*13", "*15", 1), "%1\r\n=", "%1\r\n:1\r\n=", 1)
			}
			for _, piece := range []func() int{one, all} {
				if passed, err := receive(t, test.written, test.sent, 1000, piece); err != nil || passed != test.sent {
					t.Errorf("passed %q, then %v", passed, err)
				}
			}
		})
	}
}

// nonsense contains replies that, to any command, would make the client panic or allocate
// more memory than is available.
var nonsense = []string{
	"$-5\r\n", ">-5\r\n", "~-3\r\n", "%-1\r\n", "*-2\r\n", "=-1\r\n", "!-1\r\n", "~-1\r\n", ">-1\r\n",
	"*99999999999999\r\n", "%4611686018427387904\r\n", "%9223372036854775807\r\n", "*18446744073709551617\r\n",
	"$?\r\n;-5\r\n", "*?\r\n", "%?\r\n", ";4\r\n", ".\r\n", "|1\r\n+a\r\n+b\r\n+OK\r\n",
	"$80000000000\r\n", "!80000000000\r\n", "=80000000000\r\n",
	"*1\r\n" + pushed("subscribe", "a", ":1"), pushed("ssubscribe", "a", ":1"), pushed("nonsense", "a"), ">0\r\n",
	pushed("pmessage", "a", "a", "b"), pushed("invalidate", "_"),
	strings.Repeat("*1\r\n", 17), strings.Repeat("*65536\r\n", 5),
	"HTTP/1.1 400 Bad Request\r\n", "\x15\x03\x01\x00\x02", "\r\n", "+OK\n", "+\n", ":\r\n", ":-\r\n", ":1\n", ":1x\r\n", ": 1\r\n", ":+1\r\n", ":0x1\r\n",
	"$1\r\nabc", "$0\r\nabc", "$\r\n", "$-\r\n", "_x\r\n", "#tt\r\n", "#\r\n",
	// The client takes these for complete although the line has not ended.
	"_xx", "_\rx", "#ttt", "#t\rx", "$0\r\n\rx", "%1\r\n+a\r\n#t\rx",
	"-MOVED\r\n", "-MOVED 1\r\n", "-ERR MOVED 1\r\n", "-ASKING\r\n", "-REDIRECT\r\n", "!5\r\nMOVED\r\n", "*1\r\n*1\r\n-ASK 1\r\n",
	":1\r\n:1\r\n", "+" + strings.Repeat("x", 65<<10),
}

func TestNonsense(t *testing.T) {
	for _, sent := range nonsense {
		for _, asked := range []string{"HELLO 3", "CLIENT ID", "PING", "SUBSCRIBE a", "PUBLISH a b", "EVAL x 0", "UNSUBSCRIBE"} {
			for _, piece := range []func() int{one, all} {
				passed, err := receive(t, commands(hello3, asked), isRESP+sent, 0, piece)
				if err == nil {
					t.Errorf("%.40q in reply to %s has passed", sent, asked)
				} else if len(err.Error()) > 200 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
				if passed == isRESP+sent {
					t.Errorf("%.40q in reply to %s: all of it has passed before the error %v", sent, asked, err)
				}
			}
		}
	}
}

func TestInvalidReplies(t *testing.T) {
	for name, test := range map[string]struct{ written, sent, want string }{
		"to SUBSCRIBE":              {commands(hello3, "SUBSCRIBE a"), isRESP + "+OK\r\n", `unexpected reply to SUBSCRIBE: +"OK"`},
		"a number to SUBSCRIBE":     {commands(hello3, "SUBSCRIBE a"), isRESP + ":1\r\n", "unexpected reply to SUBSCRIBE: an integer"},
		"null to SUBSCRIBE":         {commands(hello3, "SUBSCRIBE a"), isRESP + "_\r\n", "unexpected reply to SUBSCRIBE: null"},
		"an array to SUBSCRIBE":     {commands(hello3, "SUBSCRIBE a"), isRESP + "*1\r\n+a\r\n", "unexpected reply to SUBSCRIBE: an aggregate of 1"},
		"QUEUED":                    {commands(hello3, "SUBSCRIBE a"), isRESP + "+QUEUED\r\n", "unexpected reply to SUBSCRIBE"},
		"QUEUED as an error":        {commands(hello3, "SUBSCRIBE a"), isRESP + "-QUEUED\r\n", "unexpected reply to SUBSCRIBE"},
		"one confirmation too many": {commands(hello3, "SUBSCRIBE a"), isRESP + pushed("subscribe", "a", ":1") + pushed("subscribe", "a", ":1"), "push of type subscribe that no command has requested"},
		"of the other kind":         {commands(hello3, "SUBSCRIBE a"), isRESP + pushed("psubscribe", "a", ":1"), "psubscribe without a subscription"},
		"in another order":          {commands(hello3, "SUBSCRIBE a", "PSUBSCRIBE b"), isRESP + pushed("psubscribe", "b", ":1"), "psubscribe that no command has requested"},
		"in answer to PING":         {commands(hello3, "SUBSCRIBE a", "PING"), isRESP + pushed("subscribe", "a", ":1") + pushed("subscribe", "a", ":1"), "that no command has requested"},
		"a reply among them":        {commands(hello3, "PSUBSCRIBE a b", "PING"), isRESP + pushed("psubscribe", "a", ":1") + "+PONG\r\n", "unexpected reply to PSUBSCRIBE"},
		"an end among them":         {commands(hello3, "PSUBSCRIBE a b"), isRESP + pushed("psubscribe", "a", ":1") + pushed("punsubscribe", "a", ":0"), "while confirmations of PSUBSCRIBE are outstanding"},
		"a short confirmation":      {commands(hello3, "SUBSCRIBE a"), isRESP + pushed("subscribe", "a"), "malformed push of type subscribe"},
		"a message of numbers":      {commands(hello3, "SUBSCRIBE a"), isRESP + pushed("message", ":1", ":2"), "malformed push of type message"},
		"RESP3 pushes in RESP2":     {commands("SUBSCRIBE a"), pushed("subscribe", "a", ":1"), "push without RESP3"},
		"an array in RESP2":         {commands("SUBSCRIBE a", "PING"), "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*1\r\n+x\r\n", "unexpected reply to PING"},
		"a push as a RESP2 array":   {commands("PING"), "*3\r\n(subscribe\r\n$1\r\na\r\n:1\r\n", "subscribe"},
		"no pong":                   {commands(hello3, "UNSUBSCRIBE", "PING", "EVAL x 0"), isRESP + "-NOPERM x\r\n:1\r\n", "unexpected reply to PING: an integer"},
		"PONG as an error":          {commands(hello3, "UNSUBSCRIBE", "PING"), isRESP + "-PONG\r\n", "unexpected reply to UNSUBSCRIBE"},
		"BUSY to both":              {commands(hello3, "UNSUBSCRIBE", "PING"), isRESP + "-BUSY x\r\n-BUSY x\r\n", `unrequested reply: -"BUSY x"`},
		"before any command":        {"", "-ERR max number of clients reached\r\n", `unrequested reply: -"ERR max number`},
		"to half a command":         {command("PING")[:8], "+PONG\r\n", "unrequested reply"},
		"an empty role":             {commands("ROLE"), "*0\r\n", "unexpected reply to ROLE"},
		"half an address":           {commands("SENTINEL GET-MASTER-ADDR-BY-NAME m"), "*1\r\n+h\r\n", "unexpected reply to SENTINEL"},
		"OK to PUBLISH":             {commands("PUBLISH a b"), "+OK\r\n", "unexpected reply to PUBLISH"},
		"OK to HELLO":               {commands(hello3), "+OK\r\n", "unexpected reply to HELLO"},
		"a map to CLIENT":           {commands("CLIENT ID"), "%0\r\n", "unexpected reply to CLIENT"},
		"half an event":             {commands(hello3, "SUBSCRIBE +switch-master"), isRESP + pushed("message", "+switch-master", "m a 1 b"), "malformed push"},
		"half an event of a slave":  {commands(hello3, "SUBSCRIBE +sdown"), isRESP + pushed("message", "+sdown", "slave a b 1 @"), "malformed push"},
		"half a new Sentinel":       {commands(hello3, "SUBSCRIBE +sentinel"), isRESP + pushed("message", "+sentinel", "sentinel x h"), "malformed push"},
		"a long string":             {commands("EVAL x 0"), "$1000\r\n", "larger than the limit of 1000 bytes"},
		"a long reply":              {commands("EVAL x 0"), "*2\r\n$500\r\n" + strings.Repeat("x", 500) + "\r\n$500\r\n", "larger than the limit"},
		"a long message":            {commands(hello3, "SUBSCRIBE a"), isRESP + pushed("message", "a", strings.Repeat("x", 970)), "larger than the limit"},
		"another server":            {commands(hello3), "HTTP/1.1 400 Bad Request\r\n\r\n", "is this a Redis server?"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []func() int{one, all} {
				passed, err := receive(t, test.written, test.sent, 1000, piece)
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("passed %q, then %v; want %q", passed, err, test.want)
				}
				if passed == test.sent {
					t.Errorf("all data has passed before the error %v", err)
				}
			}
		})
	}
}

// Complete messages before an invalid one are passed on.
func TestRepliesBeforeNonsensePass(t *testing.T) {
	good := isRESP + pushed("subscribe", "a", ":1") + pushed("message", "a", "x")
	passed, err := receive(t, commands(hello3, "SUBSCRIBE a"), good+">3\r\n$7\r\nmessage\r\n$-5\r\n", 0, all)
	if passed != good || err == nil {
		t.Errorf("passed %q, then %v", passed, err)
	}
}

// Errors about unexpected replies, which may be logged, do not contain payloads.
func TestPayloadsAreNotShown(t *testing.T) {
	_, err := receive(t, commands(hello3, "SUBSCRIBE a"), isRESP+"$6\r\nsecret\r\n", 0, all)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestInvalidCommand(t *testing.T) {
	c := redisconn.Wrap(&server{}, 0)
	if _, err := c.Write([]byte("PING\r\n")); err == nil || c.Refused() == nil {
		t.Error(err, c.Refused())
	}
}

func TestMessagesDoNotAllocate(t *testing.T) {
	s := &server{piece: all}
	c := redisconn.Wrap(s, 0)
	if _, err := io.WriteString(c, commands(hello3, "PSUBSCRIBE b* c*", "PUBLISH a b")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4<<10)
	s.sends = []byte(isRESP + pushed("psubscribe", "b*", ":1") + pushed("psubscribe", "c*", ":2") + ":1\r\n")
	if _, err := c.Read(b); err != nil {
		t.Fatal(err)
	}
	message := []byte(pushed("pmessage", "b*", "b1", strings.Repeat("x", 300)))
	publish, confirmation := []byte(command("PUBLISH", "b1", "x")), []byte(":1\r\n")
	for name, piece := range map[string]func() int{"whole": all, "in halves": func() int { return 200 }} {
		s.piece = piece
		allocs := testing.AllocsPerRun(1000, func() {
			if _, err := c.Write(publish); err != nil {
				t.Fatal(err)
			}
			for _, sends := range [][]byte{confirmation, message} {
				for s.sends = sends; len(s.sends) > 0; {
					if _, err := c.Read(b); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
