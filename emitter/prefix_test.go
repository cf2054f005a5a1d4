package emitter_test

import (
	"testing"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// An emitter reaches those with its prefix alone.
func TestPrefix(t *testing.T) {
	url := redistest.Start(t).URL()
	prefixes := []string{"", "shop:", "blog:"}
	var got []<-chan string
	for _, prefix := range prefixes {
		got = append(got, listen(t, redisbus.Config{URL: url, Prefix: prefix}))
	}
	for i, prefix := range append(prefixes, prefixes...) { // twice: what others sent would come before the second time
		e, err := emitter.New(t.Context(), emitter.Config{Redis: &redisbus.Config{URL: url, Prefix: prefix}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for _, send := range []func() error{
			func() error { return e.Send(t.Context(), wire.ToRoom("r"), "hi", prefix) },
			func() error { return e.Send(t.Context(), wire.ToUser("u"), "hi", prefix) },
			func() error { return e.Send(t.Context(), wire.ToClient("c"), "hi", prefix) },
			func() error { return e.Send(t.Context(), wire.ToEveryone(), "hi", prefix) },
		} {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{
			`{"serverId":"emitter","type":"room","target":"r","event":"hi","data":"` + prefix + `"}`,
			`{"serverId":"emitter","type":"user","target":"u","event":"hi","data":"` + prefix + `"}`,
			`{"serverId":"emitter","type":"client","target":"c","event":"hi","data":"` + prefix + `"}`,
			`{"serverId":"emitter","type":"broadcast","event":"hi","data":"` + prefix + `"}`,
		} {
			if text := next(t, got[i%len(got)]); text != want {
				t.Errorf("with prefix %q: heard %s, want %s", prefix, text, want)
			}
		}
	}
}
