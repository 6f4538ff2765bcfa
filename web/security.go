package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"assay/internal/fault"
)

// policy is the Content-Security-Policy with a place for the nonce. Widths
// and colours are SVG attributes and classes, since no style attribute is let
// through.
const policy = "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self'; " +
	"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"

const permissions = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(self), " +
	"geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=(), xr-spatial-tracking=()"

// guardHeaders sets what every response carries, also the ones that fiber and
// fasthttp write without asking us, and returns the nonce of its policy.
func (s *site) guardHeaders(h *fasthttp.ResponseHeader) (nonce string) {
	nonce = randomText(18)
	h.Set(fiber.HeaderContentSecurityPolicy, strings.Replace(policy, "{nonce}", nonce, 1))
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderReferrerPolicy, "same-origin") // with no-referrer, form posts of our own send "Origin: null"
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set(fiber.HeaderPermissionsPolicy, permissions)
	h.Set(fiber.HeaderXFrameOptions, "DENY")
	h.Set(fiber.HeaderCacheControl, "no-store") // static files, the only ones that may be kept, say so themselves
	if s.secure {
		h.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000; includeSubDomains")
	}
	return nonce
}

// protect sets the headers and the locals that pages need; a second call
// changes nothing.
func (s *site) protect(c *fiber.Ctx) {
	if _, done := c.Locals(nonceLocal).(string); done {
		return
	}
	c.Locals(nonceLocal, s.guardHeaders(&c.Response().Header))
	c.Locals(refLocal, reference())
}

// reference is a short random name for one request, shown on error pages and
// written to the log.
func reference() string { return strings.ToUpper(randomText(8)) }

// randomText returns n random bytes as URL-safe text.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// formField and formHeader carry the form token: in a form's hidden field, or
// in a header of a script's request.
const (
	formField  = "form_token"
	formHeader = "X-Form-Token"
)

// formToken is bound to the sign-in session: without the session's secret it
// can neither be made nor carried over to another person. A stranger has
// none; their forms (signing in) stand on the origin check alone.
func formToken(v visitor) string {
	if v.secret == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(v.secret))
	mac.Write([]byte("form token"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// sameOrigin refuses an unsafe request that a browser sent from elsewhere.
// Fetch metadata cannot be forged by a page; browsers that send none (plain
// http beside loopback) still send Origin. A request with neither is no
// browser form of ours.
func (s *site) sameOrigin(c *fiber.Ctx) error {
	if safe(c.Method()) {
		return nil
	}
	origin := c.Get(fiber.HeaderOrigin)
	switch site := c.Get("Sec-Fetch-Site"); {
	case site == "same-origin", site == "none":
		return nil
	case site == "" && origin != "" && strings.EqualFold(origin, s.origin):
		return nil
	}
	return fault.Say(fault.Denied, "This form did not come from a page of this product at %s, so nothing was changed.", s.origin)
}

// ownForm refuses an unsafe request of a signed-in person whose token is not
// the one of this sign-in session.
func (s *site) ownForm(c *fiber.Ctx, v visitor) error {
	if safe(c.Method()) || v.session == nil {
		return nil
	}
	sent := c.Get(formHeader)
	if sent == "" {
		sent = c.FormValue(formField)
	}
	if !hmac.Equal([]byte(sent), []byte(formToken(v))) {
		return fault.Say(fault.Denied, "This page was opened under another sign-in. Load it again, then send the form once more; nothing was changed.")
	}
	return nil
}

// plainBody refuses a compressed body: fiber would inflate it without limit.
func plainBody(c *fiber.Ctx) error {
	if encoding := c.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return refuse(fiber.StatusUnsupportedMediaType, "Send this without a Content-Encoding. Only the ingest addresses take compressed bodies.")
	}
	return nil
}

// address returns where the request came from: the peer, or, when the peer is
// a trusted proxy, the last address before our own proxies.
func (s *site) address(c *fiber.Ctx) string {
	peer, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	if !ok {
		return "unknown"
	}
	peer = peer.Unmap()
	hops := strings.Split(c.Get(fiber.HeaderXForwardedFor), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(peer); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		peer = hop.Unmap()
	}
	return peer.String()
}

func (s *site) trusts(a netip.Addr) bool {
	for _, proxies := range s.TrustedProxies {
		if proxies.Contains(a) {
			return true
		}
	}
	return false
}

// cookieName is the sign-in session's cookie. The __Host- prefix binds it to
// this host over TLS; browsers refuse that name over plain http, where only
// loopback is served.
func (s *site) cookieName() string {
	if s.secure {
		return "__Host-assay-session"
	}
	return "assay-session"
}

func (s *site) setCookie(c *fiber.Ctx, secret string) {
	c.Cookie(&fiber.Cookie{
		Name:        s.cookieName(),
		Value:       secret,
		Path:        "/",
		Secure:      s.secure,
		HTTPOnly:    true,
		SameSite:    fiber.CookieSameSiteLaxMode,
		SessionOnly: true,
	})
}

func (s *site) clearCookie(c *fiber.Ctx) {
	c.Cookie(&fiber.Cookie{
		Name:     s.cookieName(),
		Path:     "/",
		Secure:   s.secure,
		HTTPOnly: true,
		SameSite: fiber.CookieSameSiteLaxMode,
		MaxAge:   -1,
		Expires:  s.now().AddDate(-1, 0, 0),
	})
}

// originOf returns scheme and host of the public URL.
func originOf(public string) (origin string, secure bool, err error) {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		return "", false, fault.Say(fault.Invalid, "The public URL must be http or https, a host and no path, like https://assay.example.org.")
	}
	return u.Scheme + "://" + u.Host, u.Scheme == "https", nil
}
