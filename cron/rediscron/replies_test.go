package rediscron_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// six is what Redis 6 puts before the error of a command in a script.
const six = "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): @user_script:32: @user_script: 32: "

// verdicts contains the meaning of each error reply for each command: l(ater), e(lsewhere) or
// g(ive up).
var verdicts = []struct{ reply, means string }{
	// connect, claim, finish, runs
	{"MISCONF Errors writing to the AOF file: No space left on device", "elll"},
	{"OOM command not allowed when used memory > 'maxmemory'.", "elll"},
	{"NOREPLICAS Not enough good replicas to write.", "elll"},
	{six + "-NOREPLICAS Not enough good replicas to write.", "elll"},
	{"LOADING Redis is loading the dataset in memory", "elll"},
	{"BUSY Redis is busy running a script.", "elll"},
	{"READONLY You can't write against a read only replica.", "eeee"},
	{six + "-READONLY You can't write against a read only replica.", "eeee"},
	{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "eeee"},
	{"CLUSTERDOWN The cluster is down", "elll"},
	{"TRYAGAIN Multiple keys request during rehashing of slot", "elll"},
	{"MOVED 3999 127.0.0.1:6381", "eggg"}, // not configured as a Cluster
	{"ASK 3999 127.0.0.1:6381", "eggg"},
	{"NOSCRIPT No matching script. Please use EVAL.", "e..l"}, // . is covered by another test
	{"NOPERM this user has no permissions to run the command", "gggg"},
	{"ERR The user executing the script can't run this command or subcommand script: 60b5", "gggg"},
	{"ERR unknown command 'EVALSHA', with args beginning with: ", "gggg"},
	{"NOAUTH Authentication required.", "geee"},
	{"WRONGPASS invalid username-password pair or user is disabled.", "gggg"},
	{"DENIED Redis is running in protected mode", "gggg"},
	{"ERR DB index is out of range", "gggg"},
	{"ERR something else", "elll"},
}

// dials counts the connections that a Redis client opens.
type dials struct{ atomic.Int32 }

// to returns the configuration for a Redis or a Cluster.
func (d *dials) to(addr string, cluster bool) *redisbus.Config {
	option := rueidis.ClientOption{InitAddress: []string{addr}, ForceSingleClient: !cluster}
	if !cluster {
		option.SelectDB = 1
	}
	option.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
		d.Add(1)
		return dialer.DialContext(ctx, "tcp", addr)
	}
	return &redisbus.Config{Option: &option}
}

func TestErrorReplies(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	for _, row := range verdicts {
		for i, column := range []struct {
			name, command string
			call          func(context.Context, *rediscron.Store) error
		}{
			{"connect", "SELECT", nil},
			{"claim", "EVALSHA", func(ctx context.Context, s *rediscron.Store) error {
				_, err := s.Claim(ctx, cron.Claim{Job: "job", Scheduled: at, Token: "a"})
				return err
			}},
			{"finish", "EVALSHA", func(ctx context.Context, s *rediscron.Store) error {
				return s.Finish(ctx, cron.Finish{Job: "job", Scheduled: at, Fence: 1, Outcome: cron.OutcomeSucceeded})
			}},
			{"runs", "ZREVRANGE", func(ctx context.Context, s *rediscron.Store) error {
				_, err := s.Runs(ctx, "job", 1)
				return err
			}},
		} {
			t.Run(column.name+" "+row.reply, func(t *testing.T) {
				t.Parallel()
				means := row.means[i]
				if means == '.' {
					return
				}
				last := func(ctx context.Context, s *rediscron.Store) error {
					_, err := s.Last(ctx, cron.Query{Job: "job"})
					return err
				}
				server, d := redistest.Pretend(t), new(dials)
				s := open(t, rediscron.Config{Redis: d.to(strings.TrimPrefix(server.URL(), "redis://"), false)})
				call := column.call
				if call == nil {
					call = last
				} else if err := call(t.Context(), s); err != nil && column.name != "runs" {
					t.Fatal(err)
				}
				server.Answer(column.command, "-"+row.reply+"\r\n")
				err := call(t.Context(), s)
				if err == nil || !strings.HasPrefix(err.Error(), "rediscron: ") || !strings.Contains(err.Error(), strings.TrimPrefix(row.reply, "ERR ")) {
					t.Fatalf("the error is %v", err)
				}
				if refused := errors.Is(err, rediscron.ErrRefused); refused != (means == 'g') {
					t.Errorf("refused is %v: %v", refused, err)
				}
				if moved := strings.Contains(err.Error(), "redis+cluster://"); moved != (strings.HasPrefix(row.reply, "MOVED") || strings.HasPrefix(row.reply, "ASK")) && column.call != nil {
					t.Errorf("hint about Clusters %v: %v", moved, err)
				}
				server.Reset()
				before := d.Load()
				if err := last(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				want := int32(0)
				if means == 'e' || column.call == nil {
					want = 1
				}
				if got := d.Load() - before; got != want {
					t.Errorf("%d new connections, want %d", got, want)
				}
			})
		}
	}
}

// If the script is not loaded, the client sends it, and the call succeeds.
func TestScriptNotLoaded(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := open(t, rediscron.Config{URL: r.URL()})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	r.Do("script", "flush")
	g := claim(t, s, at, "a", cron.Granted)
	r.Do("script", "flush")
	if err := s.Finish(t.Context(), cron.Finish{Job: "job", Scheduled: at, Fence: g.Fence, Outcome: cron.OutcomeSucceeded}); err != nil {
		t.Error(err)
	}
}

// A call whose client was replaced by another call is repeated once with the new client.
func TestCallWithReplacedClient(t *testing.T) {
	t.Parallel()
	server, d := redistest.Pretend(t), new(dials)
	s := open(t, rediscron.Config{Redis: d.to(strings.TrimPrefix(server.URL(), "redis://"), false)})
	if err := s.AskWhileLeft(t.Context(), 1); err != nil || d.Load() != 2 {
		t.Errorf("replaced once: %v, %d connections", err, d.Load())
	}
	if err := s.AskWhileLeft(t.Context(), 2); !errors.Is(err, rueidis.ErrClosing) {
		t.Errorf("replaced twice: %v", err)
	}
}

// A call that Redis has answered is not repeated, even if the answer is an error.
func TestAnsweredCallIsNotRepeated(t *testing.T) {
	t.Parallel()
	server := redistest.Pretend(t)
	s := open(t, rediscron.Config{URL: server.URL()})
	for _, answer := range []string{"", "-ERR something else\r\n", "-READONLY You can't write against a read only replica.\r\n"} {
		server.Answer("PING", answer)
		if times, err := s.AskOnce(t.Context()); times != 1 || (err == nil) != (answer == "") {
			t.Errorf("%q: called %d times, %v", answer, times, err)
		}
	}
}

// If many calls get the same reply, they do not each open a connection.
func TestReplacingIsLimited(t *testing.T) {
	t.Parallel()
	server, d := redistest.Pretend(t), new(dials)
	s := open(t, rediscron.Config{Redis: d.to(strings.TrimPrefix(server.URL(), "redis://"), false)})
	server.Answer("EVALSHA", "-READONLY You can't write against a read only replica.\r\n")
	began := time.Now()
	for range 200 {
		if _, err := s.Last(t.Context(), cron.Query{Job: "job"}); err == nil {
			t.Fatal("no error")
		}
	}
	if most := 2 + int32(time.Since(began)/rediscron.LeavePause); d.Load() < 2 || d.Load() > most {
		t.Errorf("%d connections, want 2 to %d", d.Load(), most)
	}
}

// closing is a connection that counts itself as closed.
type closing struct {
	net.Conn
	once   sync.Once
	closed *atomic.Int32
}

func (c *closing) Close() error {
	c.once.Do(func() { c.closed.Add(1) })
	return c.Conn.Close()
}

// Close closes the connection, and a client that is replaced is closed, too.
func TestConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	server, d, closed := redistest.Pretend(t), new(dials), new(atomic.Int32)
	c := d.to(server.Addr(), false)
	dial := c.Option.DialCtxFn
	c.Option.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, addr, dialer, config)
		return &closing{Conn: conn, closed: closed}, err
	}
	s := open(t, rediscron.Config{Redis: c})
	server.Answer("EVALSHA", "-READONLY You can't write against a read only replica.\r\n")
	if _, err := s.Last(t.Context(), cron.Query{Job: "job"}); err == nil {
		t.Fatal("no error")
	}
	redistest.Wait(t, "the replaced client to be closed", func() bool { return closed.Load() == d.Load() })
	server.Reset()
	redisTime(t, s)
	if d.Load() != 2 || closed.Load() != 1 {
		t.Errorf("%d connections, %d of them closed", d.Load(), closed.Load())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	redistest.Wait(t, "the client to be closed", func() bool { return closed.Load() == 2 })
}

// Redirections between Cluster nodes that disagree are limited.
func TestRedirectsAreLimited(t *testing.T) {
	t.Parallel()
	server, d := redistest.Pretend(t), new(dials)
	addr := strings.TrimPrefix(server.URL(), "redis://")
	s := open(t, rediscron.Config{Redis: d.to(addr, true)})
	redisTime(t, s)
	before := d.Load()
	server.Answer("EVALSHA", "-MOVED 1 "+addr+"\r\n")
	_, err := s.Last(t.Context(), cron.Query{Job: "job"})
	if err == nil || !strings.Contains(err.Error(), "MOVED") || errors.Is(err, rediscron.ErrRefused) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	if n := d.Load() - before; n > 6 {
		t.Errorf("%d connections", n)
	}
	server.Reset()
	redisTime(t, s)
}

// An untrusted certificate is a configuration error.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	d := new(dials)
	c := d.to("127.0.0.1:1", false)
	c.Option.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	}
	s := open(t, rediscron.Config{Redis: c})
	if _, err := s.Last(t.Context(), cron.Query{Job: "job"}); !errors.Is(err, rediscron.ErrRefused) {
		t.Errorf("the error is %v", err)
	}
}
