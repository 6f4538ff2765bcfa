package outbound

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestWhatMayBeReached(t *testing.T) {
	for _, c := range []struct {
		address        string
		plain, allowed bool
	}{
		{"93.184.216.34", true, true}, {"2606:2800:220:1::1", true, true},
		{"127.0.0.1", false, true}, {"10.1.2.3", false, true}, {"192.168.1.1", false, true}, {"172.16.0.1", false, true}, {"100.64.1.1", false, true},
		{"::1", false, true}, {"fc00::1", false, true}, {"::ffff:10.0.0.1", false, true}, {"64:ff9b::a00:1", false, true}, {"2002:a00:1::", false, true},
		{"169.254.169.254", false, false}, {"::ffff:169.254.169.254", false, false}, {"fe80::1", false, false}, {"fd00:ec2::254", false, false},
		{"0.0.0.0", false, false}, {"::", false, false}, {"224.0.0.1", false, false},
	} {
		a := netip.MustParseAddr(c.address)
		if got := reachable(a, false); got != c.plain {
			t.Errorf("%s: want %t, got %t", c.address, c.plain, got)
		}
		if got := reachable(a, true); got != c.allowed {
			t.Errorf("%s, allowed by name: want %t, got %t", c.address, c.allowed, got)
		}
	}
}

func TestTheAddressThatWasCheckedIsDialed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		}
	}))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	looked := 0
	guard := Guard{Allow: []string{"judge.internal"}, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		looked++
		switch host {
		case "judge.internal":
			if looked > 2 {
				return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil // the name moved
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		case "mixed.example":
			return []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("10.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	client := guard.Client(5 * time.Second)
	client.Transport.(*http.Transport).DisableKeepAlives = true
	for _, path := range []string{"/", "/away"} {
		r, err := client.Get("http://judge.internal" + port + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if path == "/away" && r.StatusCode != http.StatusFound {
			t.Errorf("a redirect was followed: %d", r.StatusCode)
		}
	}
	for _, to := range []string{"http://judge.internal" + port, "http://other.internal" + port, "http://mixed.example" + port, "http://127.0.0.1" + port, "http://[::ffff:127.0.0.1]" + port} {
		if r, err := client.Get(to); !errors.Is(err, ErrRefused) {
			if err == nil {
				r.Body.Close()
			}
			t.Errorf("%s: want it refused, got %v", to, err)
		}
	}
}
