package inbox_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/ignis-go/ignis/internal/inbox"
)

// letter is a job.
type letter string

func (l letter) Size() int { return len(l) }

type reader struct {
	group *inbox.Group
	inbox inbox.Inbox[letter, *reader]
}

func (r *reader) InboxGroup() *inbox.Group       { return r.group }
func (r *reader) Do(_ context.Context, l letter) { fmt.Println(l) }
func (r *reader) Pause()                         { fmt.Println("no more letters, please") }
func (r *reader) Resume()                        { fmt.Println("letters are welcome again") }
func (r *reader) Dropped(letters int)            { fmt.Println(letters, "letters were not read") }
func (r *reader) String() string                 { return "a reader" }

func Example() {
	var tasks sync.WaitGroup
	ann := &reader{group: &inbox.Group{
		MaxJobs: 64, MaxBytes: 1 << 20, Tasks: &tasks,
		NewContext: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) },
		Now:        func() int64 { return 0 },
	}}
	ann.inbox.Init(ann)
	ann.inbox.Push("first")
	ann.inbox.Push("second")
	ann.inbox.Close("farewell")
	tasks.Wait()
	// Output:
	// first
	// second
	// farewell
}
