package publish

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/herd"
)

// Format of the data of messages: the sender and the number at fixed offsets, and padding.
const (
	dataStart    = `{"sender":"`
	dataHead     = dataStart + `00","number":"0000000000",`
	atSender     = len(dataStart)
	senderDigits = len("00")
	atNumber     = atSender + len(`00","number":"`)
	numberDigits = len("0000000000")
	maxSenders   = 100 // their numbers have two digits
)

// sender is a connection on which each request waits for the answer to the previous one.
type sender struct {
	cfg  Config
	nr   int
	conn net.Conn
	r    *bufio.Reader
	body []byte // of an answer
}

func dial(c Config, nr int) (*sender, error) {
	conn, err := net.DialTimeout("tcp", c.Addr, patience)
	if err != nil {
		return nil, err
	}
	return &sender{cfg: c, nr: nr, conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// run sends requests until the given time.
func (s *sender) run(batch int, until time.Time, f *flow, t *trips) error {
	q := s.request(batch)
	if err := s.conn.SetDeadline(until.Add(patience)); err != nil {
		return err
	}
	for time.Now().Before(until) {
		number, err := f.reserve(s.nr, batch)
		if err != nil {
			return err
		}
		q.setNumbers(number)
		began := time.Now()
		if _, err := s.conn.Write(q.text); err != nil {
			return fmt.Errorf("sending a request: %w", err)
		}
		if err := s.answer(); err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		t.add(time.Since(began))
	}
	return nil
}

// request is the text of a request to publish one or more messages.
type request struct {
	text []byte
	at   []int // offsets of the numbers of the messages
}

func (s *sender) request(batch int) *request {
	data := dataStart + fmt.Sprintf(`%02d","number":"%010d","p":"`, s.nr, 0)
	data += strings.Repeat("x", max(0, s.cfg.Size-len(data)-2)) + `"}`
	path, header, one := "/api/v1/publish", "Authorization: Bearer "+s.cfg.Key, `{"to":{"room":"`+room+`"},"event":"`+herd.Event+`","data":`+data+`}`
	manyPath, manyField := "/api/v1/publish/batch", "messages"
	if s.cfg.Centrifugo {
		path, header, one = "/api/publish", "X-API-Key: "+s.cfg.Key, `{"channel":"`+room+`","data":`+data+`}`
		manyPath, manyField = "/api/batch", "commands"
	}
	body := one
	if batch > 1 {
		path = manyPath
		if s.cfg.Centrifugo {
			one = `{"publish":` + one + `}`
		}
		body = `{"` + manyField + `":[` + strings.Repeat(one+",", batch-1) + one + `]}`
	}
	q := &request{text: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, s.cfg.Addr, header, len(body), body)}
	for at := 0; ; {
		i := bytes.Index(q.text[at:], []byte(dataStart))
		if i < 0 {
			return q
		}
		at += i + len(dataHead)
		q.at = append(q.at, at-len(dataHead)+atNumber)
	}
}

// setNumbers gives the messages consecutive numbers.
func (q *request) setNumbers(first uint32) {
	for i, at := range q.at {
		n := first + uint32(i)
		for k := at + numberDigits - 1; k >= at; k-- {
			q.text[k] = '0' + byte(n%10)
			n /= 10
		}
	}
}

func decimal(text []byte) (n uint32) {
	for _, b := range text {
		n = n*10 + uint32(b-'0')
	}
	return n
}

// answer reads an answer. It returns an error if the server did not accept all messages.
func (s *sender) answer() error {
	line, err := s.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	status := 0
	if _, rest, ok := bytes.Cut(line, []byte(" ")); ok && len(rest) >= 3 {
		status = int(decimal(rest[:3]))
	}
	size := -1
	for {
		if line, err = s.r.ReadSlice('\n'); err != nil {
			return err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			break // the end of the header
		}
		if len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if size < 0 {
		return fmt.Errorf("status %d without a Content-Length", status)
	}
	if size > cap(s.body) {
		s.body = make([]byte, size)
	}
	body := s.body[:size]
	if _, err := io.ReadFull(s.r, body); err != nil {
		return err
	}
	if status != 200 || bytes.Contains(body, []byte(`"error"`)) { // Centrifugo reports errors with status 200
		return fmt.Errorf("status %d: %.300s", status, body)
	}
	return nil
}
