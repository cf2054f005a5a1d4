package flood

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"time"
)

// Opcodes, and flags in the first byte of a frame.
const (
	opContinuation = 0
	opText         = 1
	opClose        = 8
	opPing         = 9
	opPong         = 10

	fin  = 0x80
	rsv1 = 0x40 // the message is compressed
)

// appendFrame appends a client's frame, masked with a zero key. first is the first byte
// of the frame: the opcode and flags.
func appendFrame(dst []byte, first byte, payload []byte) []byte {
	dst = append(dst, first)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}

// repeated returns as many copies of a frame as fit into size bytes, but at least one,
// and their number.
func repeated(frame []byte, size int) ([]byte, int) {
	n := max(1, size/len(frame))
	return []byte(strings.Repeat(string(frame), n)), n
}

// handshake returns an upgrade request with additional header lines.
func handshake(addr, headers string) []byte {
	return fmt.Appendf(nil, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", addr, headers)
}

// authentication returns the message with which a client authenticates.
func authentication(token string) []byte {
	return appendFrame(nil, fin|opText, fmt.Appendf(nil, `{"event":"authenticate","data":{"type":"Bearer","token":%q}}`, token))
}

// errRefused is the error if the server does not answer the upgrade request with 101.
var errRefused = errors.New("the server refused the upgrade request")

// forwardedFor returns the header with which a proxy reports a client's address.
func forwardedFor(address string) string { return "X-Forwarded-For: " + address + "\r\n" }

// connect opens a connection, with TLS if secure is set. Closing the connection resets it,
// so that its local port can be reused immediately.
func connect(addr string, secure bool, within time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return nil, err
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the certificate is made for the run
	}
	return conn, nil
}

// dial opens a connection and performs the handshake.
func dial(addr string, request []byte, secure bool, within time.Duration) (net.Conn, *bufio.Reader, error) {
	conn, err := connect(addr, secure, within)
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(within))
	r := bufio.NewReaderSize(conn, 8<<10)
	_, err = conn.Write(request)
	// The server may have answered even if the request was not sent completely.
	line, rerr := r.ReadString('\n')
	switch {
	case rerr != nil && err == nil:
		err = rerr
	case rerr == nil && !strings.HasPrefix(line, "HTTP/1.1 101 "):
		err = fmt.Errorf("%w: %.80q", errRefused, line)
	}
	for err == nil && line != "\r\n" {
		line, err = r.ReadString('\n')
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, r, conn.SetDeadline(time.Time{})
}

// readFrame reads a frame from the server. The payload uses the memory of buf if it is
// large enough.
func readFrame(r *bufio.Reader, buf []byte) (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, buf, err
	}
	n := int(head[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return 0, buf, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	case 127:
		return 0, buf, errors.New("the server sent an unexpectedly large frame")
	}
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	payload = buf[:n]
	_, err = io.ReadFull(r, payload)
	return head[0] & 0x0f, payload, err
}
