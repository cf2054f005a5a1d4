package main

import (
	"encoding"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValues(t *testing.T) {
	for _, test := range []struct {
		to   encoding.TextUnmarshaler
		text string
		want any // nil if an error is expected
	}{
		{new(byteSize), "1", byteSize(1)},
		{new(byteSize), "128KiB", byteSize(128 << 10)},
		{new(byteSize), "3MiB", byteSize(3 << 20)},
		{new(byteSize), "1GiB", byteSize(1 << 30)},
		{new(byteSize), "5B", byteSize(5)},
		{new(byteSize), "2GiB", nil},
		{new(byteSize), "4294967295GiB", nil},
		{new(byteSize), "0", nil},
		{new(byteSize), "-1", nil},
		{new(byteSize), "1.5MiB", nil},
		{new(byteSize), "KiB", nil},
		{new(byteSize), "", nil},
		{new(period), "1m30s", period(90 * time.Second)},
		{new(period), "0s", nil},
		{new(period), "-1s", nil},
		{new(period), "5", nil},
		{new(period), "off", nil},
		{new(periodOrOff), "off", periodOrOff(-1)},
		{new(periodOrOff), "2s", periodOrOff(2 * time.Second)},
		{new(periodOrOff), "0s", nil},
		{new(count), "12", count(12)},
		{new(count), "0", nil},
		{new(count), "+1", nil},
		{new(count), "99999999999", nil},
		{new(nameList), "", nameList{}},
		{new(nameList), "a, b", nameList{"a", "b"}},
		{new(nameList), "a,,b", nil},
		{new(idList), `a,b c,d\,e`, idList{"a", "b c", "d,e"}},
		{&idList{"a"}, "b", idList{"a", "b"}},
		{new(idList), "", nil},
		{new(idList), "a,", nil},
		{new(idList), "a\xff", nil},
		{new(originList), "*", originList{"*"}},
		{new(originList), "https://A.example,http://b:1", originList{"https://a.example", "http://b:1"}},
		{new(originList), "https://a/", nil},
		{new(originList), "a.example", nil},
		{new(originList), "https://*.example", nil},
		{new(originList), "https://u@a", nil},
		{new(originList), "", originList(nil)},
		{new(proxyList), "10.0.0.0/8, 192.0.2.1,fd00::/8", proxyList{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fd00::/8")}}},
		{new(proxyList), "unix,10.0.0.0/8", proxyList{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, unix: true}},
		{new(proxyList), "10.0.0.0/33", nil},
		{new(proxyList), "example.com", nil},
		{new(proxyList), "", nil},
		{new(fileMode), "0660", fileMode(0o660)},
		{new(fileMode), "600", fileMode(0o600)},
		{new(fileMode), "000", nil},
		{new(fileMode), "01777", nil},
		{new(fileMode), "7", nil},
		{new(fileMode), "rw-", nil},
	} {
		err := test.to.UnmarshalText([]byte(test.text))
		if (err != nil) != (test.want == nil) {
			t.Errorf("%T %q: %v", test.to, test.text, err)
			continue
		}
		if test.want == nil {
			continue
		}
		if d := cmp.Diff(test.want, deref(test.to), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.AllowUnexported(proxyList{})); d != "" {
			t.Errorf("%T %q: %s", test.to, test.text, d)
		}
	}
}

func deref(v encoding.TextUnmarshaler) any {
	switch v := v.(type) {
	case *byteSize:
		return *v
	case *period:
		return *v
	case *periodOrOff:
		return *v
	case *count:
		return *v
	case *nameList:
		return *v
	case *idList:
		return *v
	case *originList:
		return *v
	case *proxyList:
		return *v
	case *fileMode:
		return *v
	}
	return nil
}
