package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"assay/internal/auth"
	"assay/internal/fault"
)

// How long and how large a request may be. Ingest bodies are the large ones
// and are let in only behind a key that holds.
const (
	pageBodyLimit   = 1 << 20
	apiBodyLimit    = 4 << 20
	ingestBodyLimit = 32 << 20
	fileBodyLimit   = 65 << 20 // a form with a file of 64 MB
	headerLimit     = 16 << 10
	readTimeout     = 30 * time.Second
	ingestTimeout   = 2 * time.Minute
	writeTimeout    = 2 * time.Minute
	idleTimeout     = 75 * time.Second
	answerTimeout   = 55 * time.Second // under PostgreSQL's own limit of a statement
	connections     = 4096
)

// New returns the product's HTTP application, not yet listening: hand it a
// listener with app.Listener, end it with app.ShutdownWithContext.
func New(config Config, stages Stages) (*fiber.App, error) {
	app, _, err := open(config, stages, routes())
	return app, err
}

// open builds the application on a route table; tests bring one of their own.
func open(config Config, stages Stages, table []route) (*fiber.App, *site, error) {
	origin, secure, err := originOf(cmp.Or(config.PublicURL, "http://127.0.0.1:8080"))
	if err != nil {
		return nil, nil, err
	}
	s := &site{Config: config, Stages: stages, origin: origin, secure: secure}
	s.limits = newLimiter(config.Limits, s.now)
	s.denied = newDenials()
	s.requests = measureRequests(config.Metrics)
	if config.Metrics != nil {
		config.Metrics.MustRegister(&stageFigures{stages, s.log()}, &measureFigures{stages: stages, log: s.log(), now: s.now})
	}

	app := fiber.New(fiber.Config{
		AppName:                      "assay",
		Immutable:                    true, // a kept value would otherwise become the next request's
		EnableTrustedProxyCheck:      true, // nobody's X-Forwarded-* counts in fiber; see site.address
		TrustedProxies:               trusted(config),
		BodyLimit:                    pageBodyLimit,
		StreamRequestBody:            false, // streaming switches the body limit off
		DisablePreParseMultipartForm: true,  // multipart is bounded like any other body
		ReadBufferSize:               headerLimit,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		Concurrency:                  connections,
		StrictRouting:                false,
		CaseSensitive:                true,
		DisableStartupMessage:        true,
		ErrorHandler:                 s.fail,
	})
	s.boundServer(app.Server())
	s.assets = pageAssets()
	s.pages = map[string]route{}
	if s.openapi, err = json.MarshalIndent(openapi(routes(), operations()), "", "  "); err != nil {
		return nil, nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	app.Use(s.enter)
	for _, r := range table {
		if r.Access.who == nobody || r.Handle == nil {
			return nil, nil, fmt.Errorf("route %s %s has no access", r.Method, r.Path)
		}
		app.Add(r.Method, r.Path, s.guard(r))
		if r.Method == fiber.MethodGet {
			s.pages[r.Path] = r
			app.Add(fiber.MethodHead, r.Path, s.guard(r))
		}
	}
	return app, s, nil
}

func trusted(config Config) []string {
	list := []string{}
	for _, p := range config.TrustedProxies {
		list = append(list, p.String())
	}
	return list
}

// boundServer sets what fiber does not reach: headers on the answers that
// fiber writes by itself, and a body limit for each address. The limit is
// chosen when the headers have arrived, before a byte of the body is read.
func (s *site) boundServer(server *fasthttp.Server) {
	inner := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		s.guardHeaders(&ctx.Response.Header)
		inner(ctx)
	}
	server.MaxRequestsPerConn = 10000
	server.TCPKeepalive = true
	server.HeaderReceived = func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
		path, _, _ := strings.Cut(string(h.RequestURI()), "?")
		switch length := h.ContentLength(); {
		case takesFile(string(h.Method()), path) && s.holdsSession(string(h.Cookie(s.cookieName()))):
			return fasthttp.RequestConfig{MaxRequestBodySize: fileBodyLimit, ReadTimeout: ingestTimeout}
		case !takesKeys(path):
			return fasthttp.RequestConfig{MaxRequestBodySize: pageBodyLimit}
		case length >= 0 && length <= apiBodyLimit, !isIngest(string(h.Method()), path):
			return fasthttp.RequestConfig{MaxRequestBodySize: apiBodyLimit}
		case s.holdsKey(string(h.Peek(fiber.HeaderAuthorization))):
			return fasthttp.RequestConfig{MaxRequestBodySize: ingestBodyLimit, ReadTimeout: ingestTimeout}
		}
		return fasthttp.RequestConfig{MaxRequestBodySize: apiBodyLimit}
	}
}

// holdsKey reports whether the credential is a key in force. It is asked for
// large bodies only, so that a stranger cannot make us hold one.
func (s *site) holdsKey(credential string) bool {
	if s.Keys == nil || credential == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := s.Keys.Check(ctx, credential)
	return err == nil
}

// holdsSession reports whether the cookie is a person's who is signed in. It is
// asked for forms with a file only.
func (s *site) holdsSession(secret string) bool {
	if s.People == nil || secret == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	session, err := s.People.Resume(ctx, secret)
	return err == nil && session != nil
}

// takesFile reports whether the address takes a form with a large file.
func takesFile(method, path string) bool {
	return slices.ContainsFunc(routes(), func(r route) bool { return r.Access.files && r.Method == method && r.matches(path) })
}

// isIngest reports whether the address takes batches.
func isIngest(method, path string) bool {
	return slices.ContainsFunc(routes(), func(r route) bool { return r.Access.ingest && r.Method == method && r.matches(path) })
}

// matches reports whether a path is one of the route's.
func (r route) matches(path string) bool {
	want, got := strings.Split(r.Path, "/"), strings.Split(path, "/")
	for i, part := range want {
		if part == "*" {
			return true
		}
		if i >= len(got) || i == len(want)-1 && len(got) > len(want) {
			return false
		}
		if !strings.HasPrefix(part, ":") && part != got[i] {
			return false
		}
	}
	return true
}

// enter is around everything: headers, the time an answer may take, panics,
// figures.
func (s *site) enter(c *fiber.Ctx) (err error) {
	started := time.Now()
	s.protect(c)
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	c.SetUserContext(ctx)
	defer func() {
		if cause := recover(); cause != nil {
			err = s.panicked(c, cause)
		}
		if err != nil {
			// Answered here rather than by fiber, so that the figures know the status.
			err = s.fail(c, err)
		}
		s.requests.observe(c, routeOf(c), time.Since(started))
	}()
	return c.Next()
}

// panicked turns a defect of ours into an answer without detail. The value is
// logged only when the runtime made it: one of ours could hold a user's text.
func (s *site) panicked(c *fiber.Ctx, cause any) error {
	what := fmt.Sprintf("%T", cause)
	if e, ok := cause.(interface{ RuntimeError() }); ok {
		what = fmt.Sprint(e)
	}
	s.log().Error("handler panicked", "reference", referenceOf(c), "method", c.Method(), "route", routeOf(c), "cause", what, "stack", string(debug.Stack()))
	c.Response().ResetBody()
	return fiber.ErrInternalServerError
}

// guard is the one order in which every route is entered: who, how often, may
// they, is the form theirs, is there room for their batch, has it been answered
// before; then the handler.
func (s *site) guard(r route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Locals(routeLocal, r.Path)
		if !r.Access.ingest {
			if err := plainBody(c); err != nil {
				return err
			}
		}
		if r.Access.who == everyone && takesNoOne(r) {
			return r.Handle(s, c)
		}
		if err := s.limits.knock(s.address(c), c.Get(fiber.HeaderAuthorization) == "" && c.Cookies(s.cookieName()) == ""); err != nil {
			return err
		}
		v, err := s.identify(c)
		if err != nil {
			if fault.Of(err) == fault.Denied { // not when the database could not be asked
				s.limits.failed(s.address(c))
			}
			return err
		}
		c.Locals(visitorLocal, v)
		if err := s.limits.take(v.actor); err != nil {
			return err
		}
		if v.session != nil || r.Access.who == everyone {
			if err := s.sameOrigin(c); err != nil {
				return err
			}
		}
		if err := s.admit(c, v, r.Access); err != nil {
			return err
		}
		if err := s.ownForm(c, v); err != nil {
			return err
		}
		if r.Access.ingest && r.Access.permission == auth.SendEvents && s.Telemetry != nil {
			leave, err := s.Telemetry.Enter(c.UserContext(), len(c.Request().Body()), encodingOf(c) != "")
			if err != nil {
				return err
			}
			defer leave()
		}
		return s.once(c, func() error { return r.Handle(s, c) })
	}
}

// takesNoOne reports whether the route answers the same to everybody, so that
// asking the database who comes would only cost: probes and files.
func takesNoOne(r route) bool {
	return r.Path == "/livez" || r.Path == "/readyz" || strings.HasPrefix(r.Path, "/static/")
}
