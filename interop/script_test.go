package interop

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/redistest"
)

// script is a sequence of steps of one client. In sent and received messages, names in angle
// brackets stand for values that differ between runs: <id> is the ID of the client, <peer>
// that of another client, and <time> a time.
type script struct {
	name  string
	login string // initial credentials, empty if the client is not authenticated at first
	fence string // a room that the client is always in; if empty, its own room
	steps []step
}

// step contains what a client sends and what it receives in return.
type step struct {
	send    []ws.Frame
	want    []string
	decided *decision // nil if the reference gives the same answer
}

// decision is an intentional difference from the reference.
type decision struct {
	reference []string // the reference's answers
	why       string
}

// lines returns the answers to a step.
func lines(answers ...string) []string { return answers }

// differs returns a decision with the reference's answers and the reason for the difference.
func differs(why string, reference ...string) *decision { return &decision{reference, why} }

func text(s string) []ws.Frame   { return []ws.Frame{ws.NewTextFrame([]byte(s))} }
func binary(s string) []ws.Frame { return []ws.Frame{ws.NewBinaryFrame([]byte(s))} }

// frame returns a frame with any header.
func frame(op ws.OpCode, fin bool, rsv byte, payload string) ws.Frame {
	f := ws.NewFrame(op, fin, []byte(payload))
	f.Header.Rsv = rsv
	return f
}

func errorEvent(message string) string {
	return `{"event":"error","data":{"message":"` + message + `"}}`
}

var (
	badFormat            = errorEvent("Invalid message format")
	notAuthenticated     = errorEvent("Not authenticated")
	alreadyAuthenticated = errorEvent("Already authenticated")
	connectedEvent       = `{"event":"connected","data":{"id":"<id>","time":"<time>"}}`
)

// connectedAs returns the connected message for a user.
func connectedAs(user string) string {
	return `{"event":"connected","data":{"id":"<id>","userId":"` + user + `","time":"<time>"}}`
}

// own returns the message that a client receives after the server has relayed its fields to a
// room that it is in. The first of the fields is the room.
func own(event, fields string) string {
	return `{"event":"` + event + `","data":{` + fields + `,"from":{"id":"<id>"}}}`
}

// TestScripts plays all scripts to both servers, in both versions of the protocol. The
// reference supports only the first version.
func TestScripts(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			s := startServer(t, kind, redistest.Start(t), settings{})
			peer := dial(t, s).login("peer")
			for _, sc := range slices.Concat(envelopeScripts, authenticationScripts, roomScripts, frameScripts) {
				t.Run(sc.name, func(t *testing.T) { play(t, s, peer.id, sc, 1) })
				t.Run(sc.name+" in protocol 2", func(t *testing.T) { play(t, s, peer.id, sc, 2) })
			}
		})
	}
}

// play plays one script to a server.
func play(t *testing.T, s *server, peer string, sc script, protocol int) {
	p := &player{client: dial(t, s), peer: peer, room: cmp.Or(sc.fence, "<id>"), protocol: protocol}
	if sc.login != "" {
		p.sendFrame(p.filled(text(`{"event":"authenticate","data":` + sc.login + `}`))...)
		if got := p.nextLine(); !strings.HasPrefix(got, `{"event":"connected"`) {
			t.Fatalf("authenticate: got %s", got)
		}
	}
	for i, st := range sc.steps {
		want := st.wanted(t, s.kind)
		p.sendFrame(p.filled(st.send)...)
		got := slices.DeleteFunc(p.answers(len(want)), func(line string) bool {
			return protocol == 2 && strings.HasPrefix(line, `{"event":"ack",`) // for messages with an id
		})
		if !slices.Equal(got, want) {
			t.Errorf("step %d\ngot  %s\nwant %s", i+1, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

// wanted returns the answers that a kind of server must give.
func (st step) wanted(t *testing.T, kind string) []string {
	t.Helper()
	switch {
	case st.decided == nil:
		return st.want
	case slices.Equal(st.want, st.decided.reference):
		t.Errorf("%s: both answers are %q", st.decided.why, st.want)
	case kind == kindReference:
		return st.decided.reference
	}
	t.Logf("differs from the reference: %s", st.decided.why)
	return st.want
}

// player is a client that plays a script.
type player struct {
	*client
	peer string
	room string // a room that the client is in once it is authenticated

	protocol int
}

// These match where protocol 2 adds fields to the credentials, and the fields that it adds to
// the connected event and to messages that have a room or a sender.
var (
	credentials   = regexp.MustCompile(`^(\{"event":"authenticate","data":\{)("?)`)
	agreement     = regexp.MustCompile(`,"protocol":2,"heartbeat":\d+,"maxPayload":\d+(,"server":"[^"]*")?`)
	roomAndSender = regexp.MustCompile(`,"room":"[^"]*"(,"from":\{"id":"[^"]*"(,"userId":"[^"]*")?\})?\}$`)
)

func (p *player) fill(s string) string {
	return strings.NewReplacer("<id>", p.id, "<peer>", p.peer).Replace(s)
}

// filled returns frames with the IDs filled in.
func (p *player) filled(frames []ws.Frame) []ws.Frame {
	frames = slices.Clone(frames)
	for i := range frames {
		f := &frames[i]
		s := p.fill(string(f.Payload))
		if p.protocol == 2 {
			s = credentials.ReplaceAllString(s, `$1"protocol":2,$2`)
			s = strings.Replace(s, `"protocol":2,}`, `"protocol":2}`, 1)
		}
		f.Payload = []byte(s)
		f.Header.Length = int64(len(f.Payload))
	}
	return frames
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

var timeText = regexp.MustCompile(`"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)

// nextLine returns the next line. It removes the fields that protocol 2 adds, and replaces
// everything that differs between runs.
func (p *player) nextLine() string {
	line := p.next()
	if p.protocol == 2 {
		line = agreement.ReplaceAllString(line, "")
		line = roomAndSender.ReplaceAllString(line, "}")
	}
	if found := connected.FindStringSubmatch(line); found != nil {
		p.id = found[1]
	}
	line = strings.ReplaceAll(line, p.peer, "<peer>")
	if p.id != "" {
		line = strings.ReplaceAll(line, p.id, "<id>")
	}
	return timeText.ReplaceAllString(line, `"time":"<time>"`)
}

// noFence is the fence of a client whose unencrypted messages are not relayed.
const noFence = "-"

// answers returns the next n lines, and all further lines until the server has answered
// another message, so that surplus answers are found without waiting. It returns earlier if
// the connection ends.
func (p *player) answers(n int) []string {
	p.t.Helper()
	var got []string
	for len(got) < n {
		got = append(got, p.nextLine())
		if ended(got[len(got)-1]) {
			return got
		}
	}
	last := badFormat // the answer to an invalid message, in every state
	if p.id == "" || p.room == noFence {
		p.send("fence")
	} else {
		// Only a relayed message is guaranteed to arrive after earlier relayed messages.
		p.send(p.fill(`{"event":"fence","data":{"room":"` + p.room + `"}}`))
		last = `{"event":"fence",`
	}
	for {
		line := p.nextLine()
		if strings.HasPrefix(line, last) {
			return got
		}
		got = append(got, line)
		if ended(line) {
			return got
		}
	}
}

func ended(line string) bool { return line == "lost" || strings.HasPrefix(line, "close") }
