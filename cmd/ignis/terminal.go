package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/ignis-go/ignis/internal/app"
)

// terminal returns how to run this program in the terminal in which the server was started.
func (s *settings) terminal() app.Terminal {
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	t := app.Terminal{Program: commandWords(os.Args[0], executable), Redis: s.redisFlags.arguments(s.Redis)}
	if relative := !filepath.IsAbs(t.Program[0]) && filepath.Base(t.Program[0]) != t.Program[0]; relative || len(t.Program) > 1 {
		t.Directory, _ = os.Getwd() // on failure, the page does not mention it
	}
	return t
}

// commandWords returns the words that run this program, whose file is executable. typed is how it
// was called.
func commandWords(typed, executable string) []string {
	if name := runByGo(executable); name != "" {
		return []string{"go", "run", name}
	}
	if filepath.Base(typed) == typed { // it was found in PATH, which may differ in other terminals
		if found, err := exec.LookPath(typed); err != nil || !sameFile(found, executable) {
			return []string{executable}
		}
	}
	return []string{typed}
}

// runByGo returns the package for go run if that started this program, whose file it removes at
// the end, and otherwise "".
func runByGo(executable string) string {
	cache := os.Getenv("GOCACHE")
	temporary := strings.Contains(executable, string(filepath.Separator)+"go-build") || cache != "" && strings.HasPrefix(executable, cache)
	info, ok := debug.ReadBuildInfo()
	if !temporary || !ok || !strings.Contains(info.Path, "/") { // without a slash, files were named
		return ""
	}
	if info.Main.Sum != "" { // the module was downloaded
		return info.Path + "@" + info.Main.Version
	}
	return info.Path
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// arguments returns the flags with which another command uses the same Redis. given is the
// value of --redis. The text PASSWORD replaces passwords.
func (f *redisFlags) arguments(given string) []string {
	var words []string
	switch {
	case f.RedisFile != "":
		file, err := filepath.Abs(f.RedisFile)
		if err != nil {
			file = f.RedisFile
		}
		words = append(words, "--redis-file", file)
	case given != "":
		words = append(words, "--redis", withoutPassword(given))
	default:
		return []string{}
	}
	if f.Prefix != "" {
		words = append(words, "--prefix", string(f.Prefix))
	}
	return words
}

// sentinelPassword matches the password of Sentinels in the URL of a Redis.
var sentinelPassword = regexp.MustCompile(`(sentinel_password=)[^&]*`)

// withoutPassword returns the URL of a Redis with PASSWORD instead of passwords.
func withoutPassword(url string) string {
	url = sentinelPassword.ReplaceAllString(url, "${1}PASSWORD")
	scheme, rest, _ := strings.Cut(url, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return url
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + "://" + user + ":PASSWORD" + rest[at:]
}
