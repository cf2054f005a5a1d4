// Command model is a client that follows all rules of sdk/SPEC.md except those about pages,
// together with its driver. The tests of package sdktest use it to check that each case can
// be passed, and, with a flaw that its arguments name, that it can be failed. It is not meant for applications: what it does takes place in one goroutine,
// and an error of writing is noticed by reading.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// command is a line of standard input.
type command struct {
	Do          string          `json:"do"`
	Credentials json.RawMessage `json:"credentials"`
	Provide     bool            `json:"provide"`
	Encryption  bool            `json:"encryption"`
	Info        string          `json:"info"`
	Software    json.RawMessage `json:"software"`
	Options     settings        `json:"options"`
	Room        string          `json:"room"`
	Ref         string          `json:"ref"`
	Event       string          `json:"event"`
	Data        json.RawMessage `json:"data"`
	Timeout     int64           `json:"timeout"`
	Volatile    bool            `json:"volatile"`
	Retry       bool            `json:"retry"`
	Ask         int             `json:"ask"`
	Error       string          `json:"error"`
}

// settings are the options; times are in milliseconds.
type settings struct {
	Heartbeat      int64  `json:"heartbeat"`
	ConnectTimeout int64  `json:"connectTimeout"`
	RequestTimeout int64  `json:"requestTimeout"`
	MinDelay       int64  `json:"minDelay"`
	MaxDelay       int64  `json:"maxDelay"`
	StableAfter    int64  `json:"stableAfter"`
	BufferMessages int    `json:"bufferMessages"`
	BufferBytes    int    `json:"bufferBytes"`
	BufferPolicy   string `json:"bufferPolicy"`
	ExpiresAfter   int64  `json:"expiresAfter"`
	Reconnect      *bool  `json:"reconnect"`
}

func defaults() settings {
	return settings{
		Heartbeat: 30_000, ConnectTimeout: 15_000, RequestTimeout: 10_000, MinDelay: 500, MaxDelay: 30_000, StableAfter: 10_000,
		BufferMessages: 100, BufferBytes: 256 << 10, BufferPolicy: "reject", ExpiresAfter: 30_000,
	}
}

func main() {
	m := newModel(os.Getenv("IGNIS_URL"), strings.Join(os.Args[1:], " "))
	m.introduce()
	go m.read()
	for !m.exited {
		(<-m.todo)()
	}
	if m.flaw == "lingers" && m.number > 0 {
		time.Sleep(time.Minute)
	}
}

// introduce says that the client lacks nothing.
func (m *model) introduce() {
	lacks := []string{}
	switch m.flaw {
	case "does not introduce itself":
		m.print(map[string]any{"state": "idle"})
		return
	case "lacks courage":
		lacks = append(lacks, "courage")
	case "ends in the middle of a line":
		fmt.Print(`{"lacks":[`)
		os.Exit(0)
	case "ends immediately":
		os.Exit(0)
	case "says nothing":
		time.Sleep(time.Minute)
	}
	m.print(map[string]any{"lacks": lacks})
}

// read reads commands.
func (m *model) read() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		c := command{Options: defaults()}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		m.todo <- func() { m.obey(c) }
	}
	m.todo <- func() { m.obey(command{Do: "exit"}) }
}

func (m *model) obey(c command) {
	switch c.Do {
	case "new":
		m.options, m.setup = c.Options, c
		if m.flaw == "connects untold" {
			m.connect()
		}
	case "connect":
		m.misbehave()
		if m.flaw == "never connects again" && m.state == "closed" {
			return
		}
		m.connect()
	case "close":
		m.close()
	case "room":
		m.open(c.Ref, c.Room)
	case "leave":
		m.leave(c.Ref)
	case "send":
		m.send(&request{
			ref: c.Ref, event: c.Event, room: c.Room, data: c.Data, retry: c.Retry, volatile: c.Volatile,
			timeout: c.Timeout,
		})
	case "cancel":
		m.cancel(c.Ref)
	case "provide":
		m.asks[c.Ask-1](c)
	case "throw":
		m.throws[c.Event] = true
	case "exit":
		if m.state != "idle" {
			m.close()
		}
		m.exited = true
	}
}

// misbehave is what drivers do that do not work at all.
func (m *model) misbehave() {
	switch m.flaw {
	case "crashes":
		fmt.Fprintln(os.Stderr, "panic: out of luck")
		os.Exit(3)
	case "prints nonsense":
		fmt.Println("connecting...")
	case "floods":
		for {
			fmt.Println(`{"error":"again"}`)
		}
	case "prints a long line":
		for {
			fmt.Print("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
		}
	}
}

// print prints a report.
func (m *model) print(report map[string]any) {
	text, err := wire.EncodeData(report)
	if err != nil {
		panic(err) // reports can always be encoded
	}
	fmt.Println(string(text))
}
