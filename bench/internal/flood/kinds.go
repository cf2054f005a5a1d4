package flood

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is a kind of flood.
type Kind struct {
	Name      string
	Text      string   // what each stranger sends
	Strangers int      // number of strangers in a flood of full size, at most 500
	Server    []string // flags of the server
	Tokens    bool     // whether the server requires tokens; otherwise it accepts everyone
	Attack    *Attack  // set if the server is configured for the public internet
	member    bool     // whether strangers authenticate first
	scattered bool     // whether each stranger has its own address, in an attack
	headers   func() string
	act       func() act
}

// act is what a stranger does repeatedly.
type act struct {
	first []byte        // sent once, at the beginning of each connection
	burst []byte        // sent each time; if nil, only the handshake is sent
	unit  int           // number of frames or requests in burst
	every time.Duration // time between bursts
	again time.Duration // minimum time between two connections of a stranger, unless once is set; 0: defaultAgain
	// once limits each connection to one burst. If the server does not close the
	// connection, the stranger does, just before the next burst is due.
	once    bool
	late    bool                 // strangers do not connect before the flood starts
	raw     bool                 // first replaces the handshake, and the server answers nothing
	genuine bool                 // burst is an authentication with a valid token
	fresh   func(n int64) []byte // returns the n-th burst of the flood, which has the length of burst; nil: all are the same
}

const (
	burstSize  = 16 << 10  // bytes in most bursts
	maxPayload = 128 << 10 // the server's default limit for messages, in bytes
)

const defaultAgain = time.Second

// Kinds returns the kinds of floods against a server that accepts everyone, or with
// tokens, in the order of the table. See also [Attacks].
func Kinds() []Kind {
	plain := []string{"--plain-io"}
	compress := []string{"--compress"}
	return []Kind{
		{Name: "bursts", Text: "16 KB of 7-byte frames that are not JSON, every second", Strangers: 500, act: bursts},
		{Name: "bursts-plain", Text: "like `bursts`, with `--plain-io`", Strangers: 500, Server: plain, act: bursts},
		{Name: "frames", Text: "like `bursts`, but every 25 ms, or as fast as the server reads", Strangers: 100, act: frames},
		{Name: "frames-plain", Text: "like `frames`, with `--plain-io`", Strangers: 100, Server: plain, act: frames},
		{Name: "pings", Text: "16 KB of 125-byte pings, every 100 ms", Strangers: 500, act: control(opPing)},
		{Name: "pings-plain", Text: "like `pings`, with `--plain-io`", Strangers: 500, Server: plain, act: control(opPing)},
		{Name: "pongs", Text: "16 KB of 125-byte pongs, every 100 ms", Strangers: 500, act: control(opPong)},
		{Name: "large", Text: "a message of 128 KB, every second", Strangers: 500, act: large},
		{Name: "fragments", Text: "16 KB of continuation frames that alternately contain one byte and none, every 100 ms", Strangers: 500, act: fragments},
		{Name: "joins", Text: "a join event with about 22,000 rooms, every second", Strangers: 500, act: joins},
		{Name: "member-joins", Text: "like `joins`, after authentication", Strangers: 500, member: true, act: joins},
		{Name: "deflate", Text: "a frame with 128 KB of empty, final deflate blocks, every 25 ms, or as fast as the server reads", Strangers: 20, Server: compress, headers: offer, act: deflate},
		{Name: "bombs", Text: "16 KB of frames that inflate to 128 KB each, every second", Strangers: 500, Server: compress, headers: offer, act: bombs},
		{Name: "blocks", Text: "16 KB of heartbeats, each followed by 4 KB of empty deflate blocks with code tables, every second", Strangers: 500, Server: compress, headers: offer, act: blocks},
		{Name: "member-blocks", Text: "like `blocks`, after authentication", Strangers: 500, Server: compress, headers: offer, member: true, act: blocks},
		{Name: "keys", Text: "a heartbeat of 8 KB with over a thousand keys that contain escapes, every second", Strangers: 500, act: keys},
		{Name: "tokens", Text: "a new connection and a token of 124 KB, every second", Strangers: 500, Tokens: true, act: tokens},
		{Name: "churn", Text: "a new connection and invalid frames, every 250 ms", Strangers: 500, act: churn},
		{Name: "handshakes", Text: "an upgrade request with 5,000 tiny headers, every second", Strangers: 500, headers: tinyHeaders, act: handshakes},
	}
}

// kind returns the kind with the given name.
func kind(name string) (Kind, error) {
	for _, k := range append(Kinds(), Attacks()...) {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("unknown flood %q", name)
}

func bursts() act {
	burst, n := repeated(appendFrame(nil, fin|opText, []byte("x")), burstSize)
	return act{burst: burst, unit: n, every: time.Second}
}

func frames() act {
	a := bursts()
	a.every = 25 * time.Millisecond
	return a
}

func control(op byte) func() act {
	return func() act {
		burst, n := repeated(appendFrame(nil, fin|op, bytes.Repeat([]byte("x"), 125)), burstSize)
		return act{burst: burst, unit: n, every: 100 * time.Millisecond}
	}
}

func large() act {
	const head, tail = `{"event":"x","data":"`, `"}`
	text := head + strings.Repeat("x", maxPayload-len(head)-len(tail)) + tail
	return act{burst: appendFrame(nil, fin|opText, []byte(text)), unit: 1, every: time.Second}
}

// fragments alternates fragments of one byte, which eventually reach the limit for
// messages, with empty fragments, which never do.
func fragments() act {
	pair := appendFrame(appendFrame(nil, opContinuation, []byte("x")), opContinuation, nil)
	burst, n := repeated(pair, burstSize)
	return act{first: appendFrame(nil, opText, []byte("x")), burst: burst, unit: 2 * n, every: 100 * time.Millisecond}
}

func joins() act {
	const tail = `"a"]}}`
	text := []byte(`{"event":"join","data":{"rooms":[`)
	for i := 0; len(text)+len(`"0000",`)+len(tail) <= maxPayload; i++ {
		text = fmt.Appendf(text, `"%s",`, strconv.FormatInt(int64(i), 36))
	}
	return act{burst: appendFrame(nil, fin|opText, append(text, tail...)), unit: 1, every: time.Second}
}

// offer returns the header that offers compression.
func offer() string { return "Sec-WebSocket-Extensions: permessage-deflate\r\n" }

// deflate sends the worst case of RFC 7692, section 7.2.3.4: every two bytes form an
// empty block that is marked as final.
func deflate() act {
	payload := bytes.Repeat([]byte{0x03, 0x00}, maxPayload/2)
	return act{burst: appendFrame(nil, fin|rsv1|opText, payload), unit: 1, every: 25 * time.Millisecond}
}

func bombs() act {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression) // the level is valid
	_, _ = w.Write(bytes.Repeat([]byte("x"), maxPayload))   // writes to a buffer never fail
	_ = w.Flush()
	payload := bytes.TrimSuffix(packed.Bytes(), []byte("\x00\x00\xff\xff"))
	burst, n := repeated(appendFrame(nil, fin|rsv1|opText, payload), burstSize)
	return act{burst: burst, unit: n, every: time.Second}
}

// emptyBlocks contains four deflate blocks that consist of code tables and no data, and
// ends at a byte boundary. Reading the tables takes 3 us per block.
const emptyBlocks = "04c081000000000090ff6b100007020000000040feaf41001c080000000000f9bf060170200000000000e4ff1a"

// blocks sends valid heartbeats that are expensive to decompress.
func blocks() act {
	const text = `{"event":"heartbeat"}`
	four, _ := hex.DecodeString(emptyBlocks)                                          // emptyBlocks is valid
	payload := append([]byte{0, byte(len(text)), 0, ^byte(len(text)), 0xff}, text...) // a stored block
	for len(payload)+len(four) < 4<<10 {
		payload = append(payload, four...)
	}
	burst, n := repeated(appendFrame(nil, fin|rsv1|opText, append(payload, 0)), burstSize)
	return act{burst: burst, unit: n, every: time.Second}
}

// keys sends heartbeats with many keys that contain escapes.
func keys() act {
	const head, key, tail = `{"event":"heartbeat"`, `,"\n":0`, `}`
	text := head + strings.Repeat(key, (8<<10-len(head)-len(tail))/len(key)) + tail
	burst, n := repeated(appendFrame(nil, fin|opText, []byte(text)), burstSize)
	return act{burst: burst, unit: n, every: time.Second}
}

func tokens() act {
	return act{burst: authentication(forged(124 << 10)), unit: 1, every: time.Second, once: true}
}

// churn sends invalid frames, for which the server closes each connection.
func churn() act {
	return act{burst: bytes.Repeat([]byte{0xff}, 100), unit: 1, every: 250 * time.Millisecond, once: true}
}

// tinyHeaders returns 5,000 header lines without values.
func tinyHeaders() string {
	var b strings.Builder
	for i := range 5000 {
		b.WriteString(strconv.FormatInt(int64(i), 36) + ":\r\n")
	}
	return b.String()
}

// handshakes only sends upgrade requests. A stranger disconnects after the answer.
func handshakes() act { return act{unit: 1, every: time.Second, once: true} }
