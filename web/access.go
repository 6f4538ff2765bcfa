package web

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/internal/fault"
)

// access is what a route asks of who comes. The zero access lets nobody in
// and fails at start, so that a forgotten one is never an open door.
type access struct {
	who        who
	permission auth.Permission // "" asks only for who
	stepUp     bool            // a fresh proof of who it is, at most people.StepUpLasts old
	early      bool            // also before the second factor of this sign-in
	demo       bool            // only on a product on one machine
	ingest     bool            // compressed and large bodies; see boundedBody
	files      bool            // a person may send a large form
}

type who int

const (
	nobody      who = iota
	everyone        // also without signing in
	person          // a signed-in person, never a key
	keyHolder       // an API key, never a person
	personOrKey     // pages take the cookie, /v1 takes either
)

// anyone lets everybody in, signed in or not.
func anyone() access { return access{who: everyone} }

// signedIn lets every person in who signed in.
func signedIn() access { return access{who: person} }

// may lets in the people and keys that hold the permission. Pages are for
// people; under /v1 a key serves as well.
func may(p auth.Permission) access { return access{who: personOrKey, permission: p} }

// keyOnly lets in API keys that hold the permission.
func keyOnly(p auth.Permission) access { return access{who: keyHolder, permission: p} }

// personOnly shuts out keys, whatever their scopes.
func (a access) personOnly() access { a.who = person; return a }

// afterStepUp asks for a fresh proof of who it is.
func (a access) afterStepUp() access { a.stepUp = true; a.who = person; return a }

// beforeSecondFactor admits a person who has not given the second factor yet.
func (a access) beforeSecondFactor() access { a.early = true; return a }

// demoOnly makes the route exist only on a product on one machine.
func (a access) demoOnly() access { a.demo = true; return a }

// takesFiles lets a person who is signed in send a large form with a file.
func (a access) takesFiles() access { a.files = true; return a }

// takesBatches lets the body be compressed and large; the handler reads it
// with boundedBody.
func (a access) takesBatches() access { a.ingest = true; return a }

type localKey string

const (
	visitorLocal localKey = "visitor"
	nonceLocal   localKey = "nonce"
	refLocal     localKey = "reference"
	routeLocal   localKey = "route"
	unreadLocal  localKey = "unread" // notices, where the handler has counted them with the rest
)

// visitor is who sent the request, as far as its headers prove.
type visitor struct {
	actor   auth.Actor
	session *people.Session // nil for keys and strangers
	secret  string          // of the sign-in session; the form token is made from it
}

// actorOf returns the person or key that sent the request; the zero Actor for
// a stranger.
func actorOf(c *fiber.Ctx) auth.Actor { return visitorOf(c).actor }

func visitorOf(c *fiber.Ctx) visitor {
	v, _ := c.Locals(visitorLocal).(visitor)
	return v
}

// identify reads who sent the request. A key that is wrong is refused here; a
// cookie that is wrong makes a stranger.
func (s *site) identify(c *fiber.Ctx) (visitor, error) {
	credential := c.Get(fiber.HeaderAuthorization)
	if credential == "" {
		credential = webhookKey(c)
	}
	if credential != "" {
		if s.Keys == nil {
			return visitor{}, fault.Say(fault.Unavailable, "API keys cannot be checked now.")
		}
		actor, err := s.Keys.Check(c.UserContext(), credential)
		return visitor{actor: actor}, err
	}
	secret := c.Cookies(s.cookieName())
	if secret == "" || s.People == nil {
		return visitor{}, nil
	}
	session, err := s.People.Resume(c.UserContext(), secret)
	if err != nil || session == nil {
		return visitor{}, err
	}
	return visitor{actor: session.Actor, session: session, secret: secret}, nil
}

// webhookKey reads the key of a rollout controller that can send no headers of
// its own: it stands in the metadata of the body it posts to a gate's check.
func webhookKey(c *fiber.Ctx) string {
	if c.Method() != fiber.MethodPost || !strings.HasPrefix(c.Path(), "/v1/handoffs/") || !strings.HasSuffix(c.Path(), "/check") {
		return ""
	}
	var hook struct {
		Metadata struct {
			Key string `json:"key"`
		} `json:"metadata"`
	}
	if json.Unmarshal(c.Request().Body(), &hook) != nil || hook.Metadata.Key == "" {
		return ""
	}
	return "Bearer " + hook.Metadata.Key
}

// admit decides whether the visitor may use the route at all; the stage
// decides the rest.
func (s *site) admit(c *fiber.Ctx, v visitor, a access) error {
	switch {
	case a.who == nobody:
		return fault.Say(fault.Denied, "This address is closed.")
	case a.demo && !s.Demo:
		return fiber.ErrNotFound
	case a.who == everyone:
		return nil
	case v.actor.Kind == "":
		return errSignIn
	case a.who == keyHolder && v.actor.Kind != auth.Key:
		return fault.Say(fault.Denied, "This address takes an API key, not a person.")
	case v.actor.Kind == auth.Key && (a.who == person || !takesKeys(c.Path())):
		return fault.Say(fault.Denied, "This address is for people. An API key cannot use it.")
	case v.session != nil && v.session.SecondFactorDue && !a.early:
		return errSecondFactor
	}
	if a.permission != "" {
		if err := v.actor.Require(a.permission); err != nil {
			return err
		}
	}
	if a.stepUp && !s.steppedUp(v.actor) {
		return errStepUp
	}
	return nil
}

// steppedUp reports whether the person proved who they are recently enough to
// sign or reveal something.
func (s *site) steppedUp(a auth.Actor) bool {
	return !a.SteppedUp.IsZero() && s.now().Sub(a.SteppedUp) < people.StepUpLasts
}

// takesKeys reports whether the address belongs to the machine's side.
func takesKeys(path string) bool {
	return path == "/" || strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/api/public/")
}

// safe reports whether the method changes nothing.
func safe(method string) bool {
	return slices.Contains([]string{fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions}, method)
}
