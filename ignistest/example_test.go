package ignistest_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/ignistest"
)

// config is the application's configuration: the token is the user ID, and everyone may
// join any room.
var config = ignis.Config{
	Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
		return ignis.Identity{UserID: c.Token}, nil
	},
	ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
		return rooms, nil
	},
}

// testNews is a test of the application, where its name would be TestNews.
func testNews(t *testing.T) {
	srv := ignistest.NewServer(t, config)
	ann := srv.Dial(t, map[string]string{"token": "ann"})
	ann.Join("news")
	if err := srv.Send(t.Context(), ignis.ToRoom("news"), "headline", "hello"); err != nil {
		t.Error(err)
	}
	ann.Expect("headline", nil)
}

// A test in fake time.
func Example() {
	var t *testing.T // the parameter of TestNews
	synctest.Test(t, testNews)
}
