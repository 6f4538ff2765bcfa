package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/labeling"
)

// A program labels under a key of its own. Each call is made twice, as a
// program that lost the answer would.
func TestAKeyLabelsAsALabelerOfItsOwn(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three")
	key := w.program(auth.ScopeLabeler)
	twice := func(path string, value any, status int) *answer {
		t.Helper()
		key.header.Set("Idempotency-Key", uuid.NewString())
		first := key.postJSON(path, value).want(status)
		again := key.postJSON(path, value).want(status)
		if first.Body != again.Body {
			t.Errorf("%s: the second call answers as the first:\n%s\n%s", path, first.Body, again.Body)
		}
		return first
	}
	var got struct {
		Item        *itemAnswer
		Reservation *labeling.Reservation
	}
	reserve := func() string {
		t.Helper()
		got.Item = nil
		twice("/v1/queues/sql_query/reserve", struct{}{}, http.StatusOK).json(&got)
		if got.Item == nil || got.Item.ModelVersion != "" {
			t.Fatalf("the next item, blind as for people, got %+v", got.Item)
		}
		return "/v1/items/" + itemID(got.Item.ID)
	}
	item := reserve()
	twice(item+"/renew", map[string]any{"token": got.Reservation.Token}, http.StatusOK)
	twice(item+"/release", map[string]any{"token": got.Reservation.Token}, http.StatusOK)
	item = reserve()
	twice(item+"/skip", map[string]any{"token": got.Reservation.Token, "reason": "other"}, http.StatusOK)
	skipped := got.Item.ID
	item = reserve()
	if got.Item.ID == skipped {
		t.Error("what was skipped is not served again")
	}
	twice(item+"/labels", map[string]any{"token": got.Reservation.Token, "label": "correct"}, http.StatusCreated)
	if n := w.count(`SELECT count(*) FROM labels l JOIN labelers b ON b.id = l.labeler_id WHERE b.key_id IS NOT NULL AND b.pseudonym LIKE 'key wb_%'`); n != 1 {
		t.Errorf("one label, under the key's name, got %d", n)
	}
	if n := w.count(`SELECT count(*) FROM reservations WHERE state = 'labeled'`); n != 1 {
		t.Errorf("one place taken, got %d", n)
	}
	stale := key.header.Clone()
	key.header = stale
	key.header.Set("Idempotency-Key", "late")
	late := key.postJSON("/v1/items/"+itemID(got.Item.ID)+"/labels", map[string]any{"token": uuid.New(), "label": "hallucinated"})
	if late.Status != http.StatusNotFound && late.Status != http.StatusConflict || !strings.HasPrefix(late.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("another token is refused in a problem document, got %d %s", late.Status, late.Body)
	}
	other := w.program(auth.ScopeLabel)
	other.header.Set("Idempotency-Key", "other")
	other.postJSON("/v1/queues/sql_query/reserve", struct{}{}).want(http.StatusForbidden)
}
