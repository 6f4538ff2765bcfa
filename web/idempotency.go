package web

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

const (
	idempotencyHeader = "Idempotency-Key"
	answersKept       = 24 * time.Hour
	answerGivenUp     = 2 * time.Minute // a first request that has not answered by then died
	largestKept       = 1 << 20         // bytes of an answer; a larger one is answered anew
)

// once runs a POST of the machine's side, or gives the answer that the same
// key of the same actor got before. A request without an Idempotency-Key, and
// everything outside /v1, runs as it comes.
func (s *site) once(c *fiber.Ctx, run func() error) error {
	key := c.Get(idempotencyHeader)
	actor := actorOf(c)
	if key == "" || c.Method() != fiber.MethodPost || !strings.HasPrefix(c.Path(), "/v1/") || actor.Kind == "" || s.DB == nil {
		return run()
	}
	if len(key) > 255 {
		return fault.Say(fault.Invalid, "The Idempotency-Key has more than 255 characters.")
	}
	request := requestHash(c)
	answered, err := s.begin(c, actor, key, request)
	if err != nil || answered {
		return err
	}
	err = run()
	if err != nil {
		// The answer is made here, so that it can be kept: a refusal repeats as well.
		if failed := s.fail(c, err); failed != nil {
			return failed
		}
	}
	return s.keep(c, actor, key)
}

func requestHash(c *fiber.Ctx) []byte {
	h := sha256.New()
	h.Write([]byte(c.Method() + " " + c.OriginalURL() + "\n" + encodingOf(c) + "\n"))
	h.Write(c.Request().Body())
	return h.Sum(nil)
}

// begin takes the key for this request, or answers with what it got before.
func (s *site) begin(c *fiber.Ctx, actor auth.Actor, key string, request []byte) (answered bool, err error) {
	ctx, now := c.UserContext(), s.now()
	var status *int
	var kind *string
	var earlier, body []byte
	err = s.DB.QueryRow(ctx, `
		INSERT INTO idempotent_answers AS a (actor_kind, actor_id, key, request_hash, asked_at)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (actor_kind, actor_id, key) DO UPDATE
		SET request_hash = $4, asked_at = $5, status = NULL, content_type = NULL, body = NULL
		WHERE a.asked_at < $6 OR (a.status IS NULL AND a.asked_at < $7)
		RETURNING request_hash`,
		string(actor.Kind), actor.ID, key, request, now, now.Add(-answersKept), now.Add(-answerGivenUp)).Scan(&earlier)
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return false, err
	}
	err = s.DB.QueryRow(ctx, `
		SELECT request_hash, status, content_type, body
		FROM idempotent_answers
		WHERE actor_kind = $1 AND actor_id = $2 AND key = $3`, string(actor.Kind), actor.ID, key).Scan(&earlier, &status, &kind, &body)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, fault.Say(fault.Conflict, "The first request with this Idempotency-Key has just failed. Send it again.")
	case err != nil:
		return false, err
	case string(earlier) != string(request):
		return false, fault.Say(fault.Conflict, "This Idempotency-Key came with another request before. Use a new key.")
	case status == nil:
		return false, fault.Say(fault.Conflict, "The first request with this Idempotency-Key is still being answered. Ask again in a moment.")
	}
	c.Set("Idempotency-Replayed", "true")
	c.Set(fiber.HeaderContentType, *kind)
	return true, c.Status(*status).Send(body)
}

// keep stores the answer just made. What may turn out otherwise next time
// (our trouble, too many requests) is forgotten instead.
func (s *site) keep(c *fiber.Ctx, actor auth.Actor, key string) error {
	status, body := c.Response().StatusCode(), c.Response().Body()
	if status >= 500 || status == fiber.StatusTooManyRequests || len(body) > largestKept || c.Response().IsBodyStream() {
		_, err := s.DB.Exec(c.UserContext(), `
			DELETE FROM idempotent_answers
			WHERE actor_kind = $1 AND actor_id = $2 AND key = $3 AND status IS NULL`, string(actor.Kind), actor.ID, key)
		return err
	}
	_, err := s.DB.Exec(c.UserContext(), `
		UPDATE idempotent_answers
		SET status = $4, content_type = $5, body = $6
		WHERE actor_kind = $1 AND actor_id = $2 AND key = $3`,
		string(actor.Kind), actor.ID, key, status, string(c.Response().Header.ContentType()), body)
	return err
}
