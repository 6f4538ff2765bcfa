package web

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/internal/fault"
	"assay/internal/postgres"
)

// status is the one table from kinds of fault to HTTP.
var status = map[fault.Kind]int{
	fault.NotFound:    fiber.StatusNotFound,
	fault.Invalid:     fiber.StatusBadRequest,
	fault.Denied:      fiber.StatusForbidden,
	fault.Conflict:    fiber.StatusConflict,
	fault.Unavailable: fiber.StatusServiceUnavailable,
}

// kinds is the way back, for refusals that HTTP itself has a number for.
func kindOf(code int) fault.Kind {
	switch {
	case code == fiber.StatusNotFound, code == fiber.StatusMethodNotAllowed:
		return fault.NotFound
	case code == fiber.StatusUnauthorized, code == fiber.StatusForbidden:
		return fault.Denied
	case code == fiber.StatusConflict:
		return fault.Conflict
	case code == fiber.StatusTooManyRequests, code >= 500:
		return fault.Unavailable
	}
	return fault.Invalid
}

// refusal is a fault that HTTP has its own number for, or that says when to
// come back.
type refusal struct {
	code  int
	words string
	after time.Duration // Retry-After; 0 for none
}

func (r *refusal) Error() string { return strconv.Itoa(r.code) + ": " + r.words }

// Unwrap lets fault.Of see the kind.
func (r *refusal) Unwrap() error { return kindOf(r.code) }

// refuse answers with the HTTP status and a sentence for whoever asked.
func refuse(code int, words string) error { return &refusal{code: code, words: words} }

// What the door itself asks for before anything else.
var (
	errSignIn       = errors.New("sign in first")
	errSecondFactor = errors.New("second factor first")
	errStepUp       = errors.New("step up first")
)

// trouble is an error as it is answered: the same for a page and for JSON.
type trouble struct {
	code  int
	kind  fault.Kind
	words string
	after time.Duration
}

// answerOf is the fault table: what any error becomes for whoever asked.
// Errors without words of their own get the words of their kind, so that
// nothing internal is shown.
func answerOf(err error) trouble {
	var r *refusal
	var f *fiber.Error
	switch kind := fault.Of(err); {
	case errors.As(err, &r):
		return trouble{r.code, kindOf(r.code), r.words, r.after}
	case errors.Is(err, errSignIn):
		return trouble{code: fiber.StatusUnauthorized, kind: fault.Denied, words: "Sign in, or send an API key as “Authorization: Bearer wb_…”."}
	case errors.Is(err, errSecondFactor):
		return trouble{code: fiber.StatusForbidden, kind: fault.Denied, words: "This sign-in still lacks its second factor."}
	case errors.Is(err, errStepUp):
		return trouble{code: fiber.StatusForbidden, kind: fault.Denied, words: "Prove who you are once more before this: open /login/again."}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return trouble{fiber.StatusServiceUnavailable, fault.Unavailable, "The answer took too long and was given up. Nothing was changed.", 5 * time.Second}
	case kind != "":
		t := trouble{code: status[kind], kind: kind, words: fault.Words(err)}
		if t.words == "" {
			t.words = wordsOf(kind)
		}
		if kind == fault.Unavailable {
			t.after = 5 * time.Second
		}
		return t
	case postgres.Away(err):
		return trouble{fiber.StatusServiceUnavailable, fault.Unavailable, "The database does not answer. Try again in a while.", 5 * time.Second}
	case errors.As(err, &f):
		return trouble{code: f.Code, kind: kindOf(f.Code), words: wordsOfStatus(f.Code)}
	}
	return trouble{code: fiber.StatusInternalServerError, words: "Something of ours failed. It is in our log under this reference."}
}

func wordsOf(kind fault.Kind) string {
	switch kind {
	case fault.NotFound:
		return "There is nothing at this address, or not for you."
	case fault.Invalid:
		return "The request could not be read as it stands."
	case fault.Denied:
		return "Your role does not permit this."
	case fault.Conflict:
		return "Somebody was faster: the state has changed since you looked."
	}
	return "A part of the product does not answer. It is tried again by itself."
}

func wordsOfStatus(code int) string {
	switch code {
	case fiber.StatusRequestEntityTooLarge:
		return "The request is larger than this address takes."
	case fiber.StatusMethodNotAllowed:
		return "This address does not take that method."
	case fiber.StatusRequestTimeout:
		return "The request did not arrive in time."
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return "The request's headers are larger than we take."
	}
	return wordsOf(kindOf(code))
}

// fail answers an error: a redirect to sign in, a problem document or a page.
func (s *site) fail(c *fiber.Ctx, err error) error {
	s.protect(c) // an error met before our own middleware has no headers yet
	if !wantsJSON(c) && c.Method() == fiber.MethodGet {
		switch {
		case errors.Is(err, errSignIn):
			return s.see(c, withNext("/login", c.OriginalURL()))
		case errors.Is(err, errSecondFactor):
			return s.see(c, withNext("/login/code", c.OriginalURL()))
		case errors.Is(err, errStepUp):
			return s.see(c, withNext("/login/again", c.OriginalURL()))
		}
	}
	if !wantsJSON(c) && errors.Is(err, errStepUp) {
		// A form that needs a fresh proof: what was typed is lost, the page is not.
		return s.see(c, withNext("/login/again", refererPath(c)))
	}
	t := answerOf(err)
	if t.code >= 500 {
		s.log().Error("request failed", "reference", referenceOf(c), "method", c.Method(), "route", routeOf(c), "status", t.code, "error", loggable(err))
	}
	if t.kind == fault.Denied {
		s.noteDenial(c, t)
	}
	if t.after > 0 {
		c.Set(fiber.HeaderRetryAfter, secondsOf(t.after))
	}
	if t.code == fiber.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="assay"`)
	}
	c.Status(t.code)
	if takesOTLP(c.Path()) {
		return otlpProblem(c, t)
	}
	if wantsJSON(c) {
		return problem(c, t)
	}
	return s.troublePage(c, t)
}

// problem answers with an RFC 9457 document.
func problem(c *fiber.Ctx, t trouble) error {
	document := struct {
		Type      string     `json:"type"`
		Title     string     `json:"title"`
		Status    int        `json:"status"`
		Detail    string     `json:"detail"`
		Fault     fault.Kind `json:"fault,omitempty"`
		Reference string     `json:"reference"`
	}{"about:blank", titleOf(t), t.code, t.words, t.kind, referenceOf(c)}
	return c.JSON(document, "application/problem+json")
}

// titleOf is the heading of an error: what did not happen, in a few words.
func titleOf(t trouble) string {
	switch {
	case t.code == fiber.StatusUnauthorized:
		return "Sign in first"
	case t.code == fiber.StatusTooManyRequests:
		return "Too many requests"
	case t.code == fiber.StatusRequestEntityTooLarge:
		return "The request is too large"
	case t.code == fiber.StatusUnsupportedMediaType:
		return "This encoding is not taken here"
	case t.code == fiber.StatusMethodNotAllowed:
		return "This method is not taken here"
	}
	switch t.kind {
	case fault.NotFound:
		return "There is nothing here"
	case fault.Invalid:
		return "This could not be read"
	case fault.Denied:
		return "You may not do this"
	case fault.Conflict:
		return "The state has changed"
	case fault.Unavailable:
		return "This cannot be answered now"
	}
	return "This could not be done"
}

// wantsJSON reports whether the answer goes to a program.
func wantsJSON(c *fiber.Ctx) bool {
	path := c.Path()
	return strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/api/") ||
		path == "/livez" || path == "/readyz" ||
		strings.HasPrefix(c.Get(fiber.HeaderAccept), fiber.MIMEApplicationJSON) ||
		(c.Method() == fiber.MethodPost && path == "/") ||
		c.Get(fiber.HeaderAuthorization) != "" && !strings.Contains(c.Get(fiber.HeaderAccept), "text/html")
}

func withNext(page, next string) string {
	if next == "" || next == "/" {
		return page
	}
	return page + "?next=" + url.QueryEscape(next)
}

// nextOf returns where to go after signing in: an address of our own, or "/".
func nextOf(asked string) string {
	u, err := url.Parse(asked)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(asked, "//") || strings.ContainsAny(asked, "\\\r\n\t") || strings.HasPrefix(u.Path, "/login") {
		return "/"
	}
	return u.RequestURI()
}

// refererPath returns the page a form stood on, when it is ours.
func refererPath(c *fiber.Ctx) string {
	u, err := url.Parse(c.Get(fiber.HeaderReferer))
	if err != nil {
		return "/"
	}
	return nextOf(u.RequestURI())
}

var clickhouseText = regexp.MustCompile(`(?s)(Code: \d+)\..*`)

// loggable returns an error without what a person or a model wrote: the
// stores put offending values into their messages.
func loggable(err error) string {
	text := err.Error()
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		text = strings.ReplaceAll(text, pg.Error(), "SQLSTATE "+pg.Code+" "+pg.ConstraintName)
		if pg.Message != "" {
			text = strings.ReplaceAll(text, pg.Message, "(message withheld)")
		}
	}
	return clickhouseText.ReplaceAllString(text, "$1 (message withheld)")
}

func (s *site) log() *slog.Logger {
	if s.Config.Log != nil {
		return s.Config.Log
	}
	return slog.New(slog.DiscardHandler)
}

func referenceOf(c *fiber.Ctx) string {
	ref, _ := c.Locals(refLocal).(string)
	return ref
}

func routeOf(c *fiber.Ctx) string {
	path, _ := c.Locals(routeLocal).(string)
	return path
}

// secondsOf writes a wait for a Retry-After header, never less than a second.
func secondsOf(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}
