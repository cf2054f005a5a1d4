package bustest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

func TestPublisher(t *testing.T) {
	bustest.RunPublisher(t, func(*testing.T) (emitter.Publisher, ignis.Bus) {
		bus := bustest.NewCluster(1)[0]
		return bustest.Publisher{Bus: bus}, bus
	})
}

func TestPublisherOverStoppedBus(t *testing.T) {
	p := bustest.Publisher{Bus: bustest.NewCluster(1)[0]}
	errs := p.Publish(t.Context(), wire.Publication{Channel: "ws:broadcast"})
	if len(errs) != 1 || !errors.Is(errs[0], bustest.ErrNotRunning) || !errors.Is(errs[0], wire.ErrNotSent) {
		t.Errorf("Publish = %v", errs)
	}
}

// publisher is a Publisher that is a function.
type publisher func(ctx context.Context, envelopes []wire.Publication) []error

func (p publisher) Publish(ctx context.Context, envelopes ...wire.Publication) []error {
	return p(ctx, envelopes)
}

// publisherFault is a broken publisher, the test that detects it, and what the test reports.
type publisherFault struct {
	test, says string
	wrap       func(p emitter.Publisher) publisher
}

// publisherFaults returns broken publishers by name.
func publisherFaults() map[string]publisherFault {
	return map[string]publisherFault{
		"unwilling": {"EnvelopesArriveInOrder", "Publish: no luck", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				if len(envelopes) == 0 {
					return []error{errors.New("no luck")}
				}
				return p.Publish(ctx, envelopes...)
			}
		}},
		"backwards": {"EnvelopesArriveInOrder", "received", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				slices.Reverse(envelopes)
				return p.Publish(ctx, envelopes...)
			}
		}},
		"twice": {"ConcurrentCalls", "received number 50, want 51", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				if len(envelopes) > 0 && bytes.Contains(envelopes[0].Envelope, []byte(`"3 50"`)) {
					envelopes = slices.Insert(envelopes, 0, envelopes[0])
				}
				return p.Publish(ctx, envelopes...)
			}
		}},
		"keeps": {"CallerKeepsItsEnvelopes", "received", func(p emitter.Publisher) publisher {
			var kept []wire.Publication
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				if kept == nil {
					kept = envelopes
					return nil
				}
				return p.Publish(ctx, append(kept, envelopes...)...)
			}
		}},
		"writes": {"CallerKeepsItsEnvelopes", "the envelope is now", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				defer func() { _ = append(envelopes[0].Envelope, '?') }()
				return p.Publish(ctx, envelopes...)
			}
		}},
		"deaf": {"EndedContextSendsNothing", "returned 0 errors, want 2", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				return p.Publish(context.WithoutCancel(ctx), envelopes...)
			}
		}},
		"vague": {"EndedContextSendsNothing", "want one that wraps context.Canceled and wire.ErrNotSent", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				errs := p.Publish(ctx, envelopes...)
				for i := range errs {
					errs[i] = ctx.Err()
				}
				return errs
			}
		}},
		"sends-anyway": {"EndedContextSendsNothing", `received "not sent"`, func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				if ctx.Err() != nil {
					p.Publish(context.WithoutCancel(ctx), envelopes...)
				}
				return p.Publish(ctx, envelopes...)
			}
		}},
		"trims": {"BytesAreKept", "received", func(p emitter.Publisher) publisher {
			return func(ctx context.Context, envelopes []wire.Publication) []error {
				for i := range envelopes {
					envelopes[i].Envelope = bytes.TrimSpace(envelopes[i].Envelope)
				}
				return p.Publish(ctx, envelopes...)
			}
		}},
	}
}

// TestBrokenPublisher is run by TestPublisherSuiteFindsFaults in separate processes, because
// it fails.
func TestBrokenPublisher(t *testing.T) {
	if os.Getenv(askForFaults) == "" {
		return
	}
	for name, fault := range publisherFaults() {
		t.Run(name, func(t *testing.T) {
			bustest.RunPublisher(t, func(*testing.T) (emitter.Publisher, ignis.Bus) {
				bus := bustest.NewCluster(1)[0]
				return fault.wrap(bustest.Publisher{Bus: bus}), bus
			})
		})
	}
}

func TestPublisherSuiteFindsFaults(t *testing.T) {
	found := make(map[string]bool)
	for name, fault := range publisherFaults() {
		found[fault.test] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findsFault(t, "TestBrokenPublisher", name, fault.test, fault.says)
		})
	}
	checkEachFinds(t, "publisher.go", found)
}
