package redisconn_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// asked contains the commands that the client of FuzzPieces has sent before the server
// replies.
var asked = []string{
	commands(hello3, "CLIENT SETINFO LIB-NAME x", "SUBSCRIBE a", "PSUBSCRIBE b* c*", "PING", "PUBLISH a b"),
	commands("HELLO 2", "SUBSCRIBE +sentinel", "PSUBSCRIBE b* c*", "PING"),
	commands(hello3, "UNSUBSCRIBE", "PING", "ROLE", "SUBSCRIBE +switch-master", "SENTINEL GET-MASTER-ADDR-BY-NAME m"),
	commands(hello3, "PSUBSCRIBE b*", "EVAL x 0", "EVAL x 0", "EVAL x 0"),
}

func seeds(add func(sent string)) {
	for _, s := range nonsense {
		add(s)
		add(isRESP + s)
	}
	add(isRESP + "+OK\r\n" + confirmed + "+PONG\r\n:1\r\n" + pushed("message", "a", "x") + pushed("pmessage", "b*", "b", "x"))
	add(strings.ReplaceAll(isRESP+confirmed, ">", "*") + "*2\r\n$4\r\npong\r\n$0\r\n\r\n")
	add(isRESP + pushed("unsubscribe", "_", ":0") + "+PONG\r\n*1\r\n+master\r\n" + pushed("subscribe", "+switch-master", ":1") + pushed("message", "+switch-master", "m a 1 b 2"))
	add(isRESP + pushed("psubscribe", "b*", ":1") + "*2\r\n$-1\r\n%1\r\n+a\r\n,1.5\r\n*-1\r\n")
}

// FuzzPieces checks that the result does not depend on the pieces in which bytes arrive, and
// so not on whether the shortcut for messages is taken. With smaller pieces, more bytes of
// an invalid reply may pass, but no fewer.
func FuzzPieces(f *testing.F) {
	seeds(func(sent string) {
		for i := range asked {
			f.Add(byte(i), byte(7), []byte(sent))
		}
	})
	f.Fuzz(func(t *testing.T, client, size byte, sent []byte) {
		written := asked[int(client)%len(asked)]
		whole, wholeErr := receive(t, written, string(sent), 4<<10, all)
		for _, piece := range []func() int{one, func() int { return 1 + int(size) }} {
			passed, err := receive(t, written, string(sent), 4<<10, piece)
			if (err == nil) != (wholeErr == nil) || err != nil && err.Error() != wholeErr.Error() {
				t.Fatalf("in pieces: %v, in one piece: %v", err, wholeErr)
			}
			if !strings.HasPrefix(passed, whole) || err == nil && passed != string(sent) {
				t.Fatalf("in pieces %q has passed, in one piece %q", passed, whole)
			}
		}
	})
}

// FuzzClient lets the Redis client read arbitrary server data through the check. Data that
// passes must not make the client panic. Panics in its goroutines would end the process of
// the test.
//
// The bytes 0xff divide the input into parts. The server sends one part after each command
// that it has read, or after a pause if no command arrives, and disconnects after the last
// part. New connections get the same parts.
func FuzzClient(f *testing.F) {
	shake := isRESP + "\xff+OK\r\n\xff+OK\r\n\xff" // HELLO and two CLIENT SETINFO
	old := "-ERR unknown command 'HELLO'\r\n\xff+OK\r\n\xff+OK\r\n\xff-ERR unknown command 'HELLO'\r\n\xff+OK\r\n\xff+OK\r\n\xff"
	six := "%2\r\n+proto\r\n:3\r\n+version\r\n+6.2\r\n" + strings.TrimPrefix(shake, isRESP)
	eight := "%2\r\n+proto\r\n:3\r\n+version\r\n+8.0\r\n" + strings.TrimPrefix(shake, isRESP)
	for use := range uses {
		for _, before := range []string{"", shake, shake + "+PONG\r\n\xff", old, six, eight} {
			f.Add(byte(use), []byte(before+isRESP+"\xff+OK\r\n\xff+OK\r\n\xff"+confirmed+"\xff+PONG\r\n\xff:1\r\n"))
			f.Add(byte(use), []byte(before+pushed("unsubscribe", "_", ":0")+"\xff+PONG\r\n\xff-NOPERM x\r\n"))
			f.Add(byte(use), []byte(before+"-ERR x\r\n\xff-BUSY x\r\n-BUSY x\r\n\xff*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n+h\r\n:1\r\n"))
			f.Add(byte(use), []byte(before+confirmed+"\xff"+strings.ReplaceAll(confirmed, ">", "*")))
		}
	}
	for _, sent := range nonsense {
		f.Add(byte(1), []byte(shake+sent))
	}
	f.Fuzz(func(_ *testing.T, use byte, script []byte) {
		runClient(uses[int(use)%len(uses)], strings.Split(string(script), "\xff"))
	})
}

// TestClientReadsNonsense is like FuzzClient with the worst known replies, at each of the
// first steps of a connection.
func TestClientReadsNonsense(t *testing.T) {
	good := []string{isRESP, "+OK\r\n", "+OK\r\n", "+PONG\r\n"}
	for _, u := range uses {
		for _, sent := range nonsense {
			for moment := range len(good) + 1 {
				runClient(u, append(append([]string{}, good[:moment]...), sent, sent))
			}
		}
	}
}

// use is a way to use a client.
type use struct {
	option func(*rueidis.ClientOption)
	run    func(ctx context.Context, c rueidis.Client)
}

func plain(*rueidis.ClientOption) {}

func behindSentinel(o *rueidis.ClientOption) {
	o.ForceSingleClient = false
	o.Sentinel.MasterSet = "m"
	o.Sentinel.Dialer = o.Dialer
}

func calls(ctx context.Context, c rueidis.Client) {
	c.Do(ctx, c.B().Ping().Build())
	c.DoMulti(ctx, c.B().Publish().Channel("a").Message("x").Build(), c.B().Publish().Channel("b").Message("x").Build())
	_, _ = rueidis.NewLuaScript("return 1").Exec(ctx, c, []string{"k"}, nil).ToArray()
	_, _ = c.Do(ctx, c.B().Role().Build()).ToArray()
	_, _ = c.Do(ctx, c.B().ClusterSlots().Build()).ToArray()
}

func subscribes(ctx context.Context, c rueidis.Client) {
	d, release := c.Dedicate()
	defer release() // unsubscribes
	d.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(rueidis.PubSubMessage) {}, OnSubscription: func(rueidis.PubSubSubscription) {}})
	d.DoMulti(ctx, d.B().Subscribe().Channel("a").Build(), d.B().Psubscribe().Pattern("b*", "c*").Build())
	d.Do(ctx, d.B().Ping().Build())
	d.Do(ctx, d.B().Unsubscribe().Channel("a").Build())
	d.Do(ctx, d.B().Ping().Build())
}

var uses = []use{
	{plain, calls},
	{plain, subscribes},
	{func(o *rueidis.ClientOption) { o.AlwaysRESP2 = true }, subscribes},
	{behindSentinel, calls},
	{func(o *rueidis.ClientOption) { o.ForceSingleClient = false; o.InitAddress = []string{"a:1", "b:1"} }, calls},
}

func runClient(u use, parts []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var servers sync.WaitGroup
	var conns []net.Conn
	o := rueidis.ClientOption{
		InitAddress: []string{"a:1"}, ForceSingleClient: true, DisableRetry: true, DisableCache: true,
		AlwaysPipelining: true, PipelineMultiplex: -1, RingScaleEachConn: 2, ConnWriteTimeout: 200 * time.Millisecond,
		ReadBufferEachConn: 4 << 10, WriteBufferEachConn: 4 << 10,
		Dialer: net.Dialer{Timeout: 200 * time.Millisecond, KeepAlive: time.Hour},
	}
	u.option(&o)
	var mu sync.Mutex
	o.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(conns) > 8 || ctx.Err() != nil {
			return nil, io.ErrClosedPipe
		}
		near, far := net.Pipe()
		conns = append(conns, far)
		servers.Go(func() { serve(far, parts) })
		return redisconn.Wrap(near, 1<<20), nil
	}
	client, err := rueidis.NewClient(o)
	if err == nil {
		u.run(ctx, client)
	}
	if client != nil {
		client.Close()
	}
	cancel()
	mu.Lock()
	for _, conn := range conns { // the client may have left some open
		_ = conn.Close()
	}
	mu.Unlock()
	servers.Wait()
}

// serve sends one part in reply to each command.
func serve(conn net.Conn, parts []string) {
	defer conn.Close()
	read := make(chan struct{}, 1<<10)
	go func() { // keeps reading while a part is written, because a pipe has no buffer
		defer close(read)
		r := bufio.NewReader(conn)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "*") { // no argument in this test starts like that
				select {
				case read <- struct{}{}:
				default:
				}
			}
		}
	}()
	for _, part := range parts {
		select {
		case _, ok := <-read:
			if !ok {
				return
			}
		case <-time.After(5 * time.Millisecond): // no command comes: the client is waiting for more data
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := io.WriteString(conn, part); err != nil {
			break
		}
	}
	_ = conn.Close()
	for range read { //nolint:revive // until the client disconnects
	}
}
