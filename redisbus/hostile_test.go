package redisbus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// The rights that docs/redis.md lists suffice. Without those for commands, a server works as
// before, and the log says what is missing.
func TestRightsForCommands(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	messages := []string{
		"resetchannels", "&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*", "&ignis:bus:*",
		"+publish", "+subscribe", "+psubscribe", "+ping", "+role",
	}
	commands := []string{"&ignis:commands", "~ignis:{06S}:commands", "+eval", "+time", "+zadd", "+zcard", "+zrem", "+zremrangebyscore", "+zrevrange", "+pexpireat"}
	r.Do(append([]string{"acl", "setuser", "few", "on", ">secret"}, messages...)...)
	r.Do(append(append([]string{"acl", "setuser", "all", "on", ">secret"}, messages...), commands...)...)
	few := serveOn(t, impatient("redis://few:secret@"+r.Addr()))
	p := few.Dial(t, who("ann", "t1"))
	if _, err := few.Revoke(t.Context(), token("t1")); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Revoke without rights: %v", err)
	}
	p.ExpectClose(4006)
	for _, want := range []string{"allow the channel ignis:commands", "allow ZREVRANGE and the key " + storeKey} {
		if few.log.Count(want) != 1 {
			t.Errorf("logged %d times: %s\n%s", few.log.Count(want), want, few.log)
		}
	}
	all := serveOn(t, impatient("redis://all:secret@"+r.Addr()))
	all.revoke(t, token("t2"))
	again := serveOn(t, impatient("redis://all:secret@"+r.Addr()))
	again.refuses(t, "ann", "t2")
	for _, s := range []instance{all, again} {
		if s.log.Count("level=WARN") > 0 {
			t.Errorf("log:\n%s", s.log)
		}
	}
}

// Whatever is on the channel of commands and in their store, a server goes on.
func TestHostileCommandsInRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	valid := token("t1").Encode()
	large := strings.Repeat("x", wire.MaxCommand+1)
	for i, text := range []string{"garbage", "", "\xff\x01", `{"version":7}`, large, string(valid.Text)} {
		r.Do("zadd", storeKey, fmt.Sprint(time.Now().Add(time.Hour).UnixMilli()+int64(i)), text)
	}
	r.Do("zadd", storeKey, "-inf", "minus", "+inf", "plus")
	s := serveOn(t, impatient(r.URL()))
	p := s.Dial(t, who("ann", "t2"))
	s.refuses(t, "ann", "t1")
	for _, text := range []string{"garbage", "", "{}", large} {
		r.Do("publish", wire.ChannelCommands, text)
	}
	r.Do("publish", wire.ChannelCommands, string(token("t2").Encode().Text))
	p.ExpectClose(4006)
	if st, b := s.Stats(), s.bus.Stats(); st.BadCommands != 8 || st.UnknownCommands != 1 || b.CommandsDropped != 2 || b.Garbled != 0 {
		t.Errorf("stats %+v of the server, %+v of the bus", st, b)
	}
	s.revoke(t, token("t3"))
}

// If something else is at the key, a server does not start, rather than accept revoked tokens.
func TestServerWithoutAStore(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do("set", storeKey, "x")
	s := newInstance(t, impatient(r.URL()))
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("Run = %v", err)
	}
	// Nor does it if the commands cannot be read in time.
	f := redistest.Pretend(t)
	f.Answer("ZREVRANGE", "-LOADING Redis is loading the dataset in memory\r\n")
	c := impatient(f.URL())
	c.StartTimeout = 3 * time.Second // a busy machine needs some of it for the reply
	s = newInstance(t, c)
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "LOADING") {
		t.Errorf("Run = %v", err)
	}
}

// If more commands arrive than are processed, the stored ones are read again, so no revocation
// is lost.
func TestFloodOfCommands(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n, p := run(t, impatient(r.URL()), nil), dial(t, impatient(r.URL()))
	stored, block, entered := make(chan []string, 10), make(chan struct{}), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- n.ReceiveCommands(ctx, func(list ...[]byte) {
			var texts []string
			for _, text := range list {
				texts = append(texts, string(text))
			}
			stored <- texts
		}, func(...[]byte) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-block
		})
	}()
	<-stored
	flood := make([]wire.Publication, 6000)
	for i := range flood {
		flood[i] = wire.Publication{Channel: wire.ChannelCommands, Envelope: []byte("flood")}
	}
	if errs := p.Publish(t.Context(), flood[0]); errs != nil {
		t.Fatal(errs)
	}
	<-entered
	if errs := p.Publish(t.Context(), flood...); errs != nil {
		t.Fatal(errs)
	}
	redistest.Wait(t, "commands to be dropped", func() bool { return n.Stats().CommandsDropped > 0 })
	if err := p.SendCommands(t.Context(), wire.EncodedCommand{Text: []byte("kept"), Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	close(block)
	for texts := range stored {
		if len(texts) == 1 && texts[0] == "kept" {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n.Stats().Reconnects != 0 {
		t.Errorf("stats %+v", n.Stats())
	}
}

// storeReplies says after which error replies to commands that store or read commands the bus gives
// up. After the others, it tries again.
var storeReplies = map[string]bool{
	"MISCONF Errors writing to the AOF file: No space left on device":                  false,
	"OOM command not allowed when used memory > 'maxmemory'.":                          false,
	"NOREPLICAS Not enough good replicas to write.":                                    false,
	"BUSY Redis is busy running a script.":                                             false,
	"LOADING Redis is loading the dataset in memory":                                   false,
	"READONLY You can't write against a read only replica.":                            false,
	"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": false,
	"CLUSTERDOWN The cluster is down":                                                  false,
	"NOPERM this user has no permissions to run the command":                           true,
	"ERR unknown command 'X'":                                                          true,
	"ERR unknown subcommand 'X'. Try CLUSTER HELP.":                                    true,
	"NOAUTH Authentication required.":                                                  true,
	"WRONGPASS invalid username-password pair or user is disabled.":                    true,
	"DENIED Redis is running in protected mode":                                        true,
	"ERR invalid password":                                                             true,
	"ERR AUTH <password> called without any password configured for the default user.": true,
	"ERR Client sent AUTH, but no password is set":                                     true,
	"ERR DB index is out of range":                                                     true,
	"ERR invalid DB index":                                                             true,
	"ERR SELECT is not allowed in cluster mode":                                        true,
	"MOVED 0 127.0.0.1:1":                                                              false,
	"TRYAGAIN Multiple keys request during rehashing of slot":                          false,
	"BUSYKEY something that begins like another":                                       true,
	"ERR something else":                                                               true,
}

// The meaning of error replies to commands that store and read commands is that of the table.
func TestErrorRepliesOfTheStore(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for reply, givesUp := range storeReplies {
		name, _, _ := strings.Cut(strings.TrimPrefix(reply, "ERR "), " ")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.Pretend(t)
			n := run(t, impatient(f.URL()), nil)
			f.Answer("EVAL", "-"+reply+"\r\n")
			command := wire.EncodedCommand{Text: []byte("x")}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := n.SendCommands(ctx, command)
			if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(reply, "ERR ")) {
				t.Fatalf("SendCommands = %v", err)
			}
			gaveUp := !errors.Is(err, context.DeadlineExceeded)
			if givesUp != gaveUp || gaveUp != (n.Stats().StoreFailures == 1) {
				t.Errorf("it gave up: %v, after %d attempts: %v", gaveUp, n.Stats().StoreFailures, err)
			}
			f.Reset()
			if err := n.SendCommands(t.Context(), command); err != nil || n.Stats().Reconnects != 0 {
				t.Errorf("afterwards: %v, %+v", err, n.Stats())
			}
		})
	}
}

// Replies that are not valid close the connection or are errors, and the bus goes on.
func TestNonsenseFromTheStore(t *testing.T) {
	t.Parallel()
	for _, answer := range append(redistest.Nonsense, "*1\r\n*0\r\n", "*1\r\n:1\r\n", "*1\r\n$-1\r\n", "_\r\n", "*-1\r\n", ":-5\r\n") {
		for _, command := range []string{"EVAL", "ZREVRANGE"} {
			t.Run(fmt.Sprintf("%.20q to %s", answer, command), func(t *testing.T) {
				t.Parallel()
				f := redistest.Pretend(t)
				n := run(t, impatient(f.URL()), nil)
				f.Answer(command, answer)
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				x := wire.EncodedCommand{Text: []byte("x"), Until: time.Now().Add(time.Hour)}
				if command == "EVAL" {
					_ = n.SendCommands(ctx, x) // ":1" and ":-5" are valid
				} else {
					_ = n.ReceiveCommands(ctx, func(...[]byte) {}, func(...[]byte) {})
				}
				f.Reset()
				if err := n.SendCommands(t.Context(), x); err != nil {
					t.Errorf("SendCommands = %v", err)
				}
				ctx, cancel = context.WithCancel(t.Context())
				defer cancel()
				if err := n.ReceiveCommands(ctx, func(...[]byte) { cancel() }, func(...[]byte) {}); err != nil {
					t.Errorf("ReceiveCommands = %v", err)
				}
			})
		}
	}
}
