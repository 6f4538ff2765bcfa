// Package outbound is the one way out of the product: a client that looks up a
// name, checks every address it has, and dials the address it checked. Private,
// loopback, link-local and shared addresses are refused unless the operator
// named the host; the addresses where clouds keep their credentials always are.
// It follows no redirect and undoes no compression.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ErrRefused says that an address is not one that may be reached.
var ErrRefused = errors.New("the address is not one that may be reached")

// Guard says which private places may be reached all the same.
type Guard struct {
	Allow  []string // names or addresses as they stand in the URL, without a port
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	TLS    *tls.Config // nil: the system's authorities, TLS 1.2 at least
}

// Client returns a client whose whole exchange ends after the time given. Its
// answers are as they came: redirects are answers, and a compressed body stays
// compressed.
func (g Guard) Client(within time.Duration) *http.Client {
	config := g.TLS
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Timeout: within,
		Transport: &http.Transport{
			Proxy: nil, DialContext: g.dial, DisableCompression: true, TLSClientConfig: config, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: min(within, 10*time.Second), ResponseHeaderTimeout: within, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial reaches the first address that may be reached; a name with any that may
// not is refused whole, so that an answer cannot be mixed.
func (g Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := g.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	allowed := slices.ContainsFunc(g.Allow, func(name string) bool { return strings.EqualFold(name, host) })
	for _, a := range addresses {
		if !reachable(a, allowed) {
			return nil, fmt.Errorf("dial %s: %w", host, ErrRefused)
		}
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	err = fmt.Errorf("dial %s: it has no address", host)
	for _, a := range addresses {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (g Guard) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if g.Lookup != nil {
		return g.Lookup(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// special are ranges that lead to a machine's neighbours or to other addresses
// in disguise, beside those that netip knows.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// reachable reports whether an address may be dialed.
func reachable(a netip.Addr, allowed bool) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.MustParseAddr("fd00:ec2::254") {
		return false // link-local is where clouds keep their credentials
	}
	if allowed {
		return true
	}
	return !a.IsLoopback() && !a.IsPrivate() && !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
