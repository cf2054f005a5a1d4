package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
)

// The address of a client is that in the PROXY header of a trusted proxy. If that names none,
// the headers of the request count for nothing, because anyone may have set them. Reload changes
// which proxies are trusted.
func TestAddressOfClient(t *testing.T) {
	e := newEndpoint(t, nil)
	c := production()
	c.Listen.Addresses[0].ProxyProtocol = true
	c.Proxies = ignis.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	c.Webhook = hook(e.url, false)
	c.Webhook.Tell = []string{TellConnected}
	r := run(t, c)
	connect := func(user, proxy, header string) {
		t.Helper()
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				_, err = io.WriteString(nc, proxy)
			}
			return nc, err
		}
		h := http.Header{"X-Forwarded-For": {header}, "Forwarded": {"for=" + header}}
		if header == "" {
			h = nil
		}
		conn, err := client.Dial(t.Context(), "ws://"+r.addr+"/ws", client.Config{Credentials: token(`{"sub":"` + user + `","exp":9999999999}`), NetDial: dial, HTTPHeader: h})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	const named = "PROXY TCP4 192.0.2.7 127.0.0.1 1000 80\r\n"
	connect("named", named, "")
	connect("named twice", named, "192.0.2.1")
	connect("unknown", "PROXY UNKNOWN\r\n", "192.0.2.1")
	other := c
	other.Proxies.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	if err := r.app.Reload(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	connect("later", "", "192.0.2.1")
	r.stop()
	<-r.done
	_, text := e.told(t)
	for user, address := range map[string]string{"named": "192.0.2.7", "named twice": "192.0.2.7", "unknown": "127.0.0.1", "later": "127.0.0.1"} {
		if !strings.Contains(text, `"user":"`+user+`","address":"`+address) {
			t.Errorf("%s: want the address %s in\n%s", user, address, text)
		}
	}
}
