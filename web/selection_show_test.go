package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestManyItemsAreSelectedActedOnAndPutBack(t *testing.T) {
	w := queued(t, "sql_query", "one", hostile, "three")
	b := w.as(auth.Engineer)
	if page := b.get("/queues/sql_query").want(http.StatusOK); len(page.find(`form[action="/queues/sql_query/selections"]`)) != 1 {
		t.Error("the page of a queue offers to select")
	}
	address := b.post("/queues/sql_query/selections", url.Values{"class": {"negative"}}).want(http.StatusSeeOther).Header.Get("Location")
	page := b.get(address).want(http.StatusOK)
	if !strings.Contains(page.Body, "3 items selected") || strings.Contains(page.Body, hostile) {
		t.Errorf("the exact number, and foreign text as text:\n%s", clip(page.Body, 500))
	}
	for range 2 { // a double click
		b.post(address, url.Values{"act": {"remove"}}).to(address)
	}
	if n := w.count(`SELECT count(*) FROM items WHERE removed_at IS NOT NULL`); n != 3 {
		t.Errorf("want 3 removed, got %d", n)
	}
	b.post(address, url.Values{"act": {"first"}}).want(http.StatusConflict)
	if page := b.get(address).want(http.StatusOK); !strings.Contains(page.Body, "3 of 3 items removed") || len(page.find(`form[action="`+address+`/undo"]`)) != 1 {
		t.Error("it says what was done, with Undo")
	}
	b.post(address+"/undo", nil).to(address)
	if n := w.count(`SELECT count(*) FROM items WHERE removed_at IS NULL`); n != 3 {
		t.Errorf("all are back, got %d", n)
	}
	b.post("/queues/sql_query/selections", url.Values{"model": {"no-such"}}).want(http.StatusBadRequest)
	w.as(auth.Labeler).post("/queues/sql_query/selections", url.Values{}).want(http.StatusForbidden)
}
