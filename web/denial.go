package web

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
)

// denials keeps a refused actor from filling the audit: one entry for each
// actor and route in a minute says as much as a thousand.
type denials struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

const (
	denialEvery  = time.Minute
	denialsKept  = 10_000
	denialAction = "access.deny"
)

func newDenials() *denials { return &denials{seen: map[string]time.Time{}} }

func (d *denials) first(who string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.seen[who]; ok && now.Sub(at) < denialEvery {
		return false
	}
	if len(d.seen) >= denialsKept {
		clear(d.seen)
	}
	d.seen[who] = now
	return true
}

// noteDenial writes the audit entry of a refusal. A stranger's leaves none:
// there is nobody to name.
func (s *site) noteDenial(c *fiber.Ctx, t trouble) {
	actor := actorOf(c)
	route := c.Method() + " " + routeOf(c)
	if actor.Kind == "" || actor.Kind == auth.System || s.DB == nil || routeOf(c) == "" {
		return
	}
	if !s.denied.first(fmt.Sprintf("%s/%d %s", actor.Kind, actor.ID, route), s.now()) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), 5*time.Second)
	defer cancel()
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: denialAction, Object: "route/" + route, What: fmt.Sprintf("status %d", t.code)})
	})
	if err != nil {
		s.log().Error("a refusal was not recorded", "reference", referenceOf(c), "error", loggable(err))
	}
}
