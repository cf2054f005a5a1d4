// Command godriver is the driver of package client for ignis sdktest; see sdk/SPEC.md.
// It also shows what an application does that uses package client: a Conn does not
// connect again by itself.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

func main() {
	if err := run(os.Stdin, os.Stdout, os.Getenv("IGNIS_URL")); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// command is a line of standard input.
type command struct {
	Do          string          `json:"do"`
	Credentials json.RawMessage `json:"credentials"`
	Provide     bool            `json:"provide"`
	Encryption  bool            `json:"encryption"`
	Info        string          `json:"info"`
	Software    software        `json:"software"`
	Options     options         `json:"options"`
	Room        string          `json:"room"`
	Ref         string          `json:"ref"`
	Event       string          `json:"event"`
	Data        json.RawMessage `json:"data"`
	Timeout     int64           `json:"timeout"` // milliseconds
	Volatile    bool            `json:"volatile"`
	Ask         int             `json:"ask"`
	Error       string          `json:"error"`
}

type software struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// options are those that package client has, in milliseconds.
type options struct {
	Heartbeat      int64 `json:"heartbeat"`
	ConnectTimeout int64 `json:"connectTimeout"`
	RequestTimeout int64 `json:"requestTimeout"`
}

// maxCommand is the maximum length of a command in bytes.
const maxCommand = 4 << 20

// run obeys commands until exit or the end of the input.
func run(in io.Reader, out io.Writer, url string) error {
	d := newDriver(out, url)
	d.print(map[string]any{"lacks": []string{"reconnect", "buffer", "retry", "rooms", "room-data", "handlers"}})
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxCommand)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("command %.100q: %w", lines.Text(), err)
		}
		if c.Do == "exit" {
			break
		}
		if err := d.obey(c); err != nil {
			return err
		}
	}
	d.close()
	d.wg.Wait()
	return lines.Err()
}

// printer prints reports.
type printer struct {
	mu  sync.Mutex
	out io.Writer
}

// print prints a report as one line.
func (p *printer) print(report map[string]any) {
	text, err := wire.EncodeData(report)
	if err != nil {
		panic(err) // reports can always be encoded
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.out.Write(append(text, '\n')); err != nil {
		os.Exit(1) // the reader has gone
	}
}
