package web

import (
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/web/ui"
)

func TestEveryRoleHasAnOverview(t *testing.T) {
	w := newWorld(t)
	for _, role := range auth.Roles {
		page := w.as(role).get("/").want(fiber.StatusOK)
		if page.text("h1") == "" {
			t.Errorf("%s: the overview opens without a sentence", role)
		}
		if n := len(page.find("main .button.filled")); n > 1 {
			t.Errorf("%s: want at most one filled button, got %d", role, n)
		}
	}
}

func TestTheMostUrgentNeedComesFirstAndIsTheOnlyFilledButton(t *testing.T) {
	p := composeHome(auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Engineer}}, []overview{
		{Urgency: waiting, Sentence: "Somebody waits.", Needs: []need{{Urgency: waiting, Title: "later", Act: "Open", URL: "/a"}}},
		{Urgency: harmful, Sentence: "One alert pages.", Needs: []need{{Urgency: harmful, Title: "now", Act: "Open", URL: "/b"}}},
	})
	if p.Sentence != "One alert pages." {
		t.Errorf("sentence: %s", p.Sentence)
	}
	if p.Needs[0].Title != "now" || p.Needs[1].Title != "later" {
		t.Errorf("order: %s, %s", p.Needs[0].Title, p.Needs[1].Title)
	}
	if first, second := p.Needs[0].Action.(ui.Button), p.Needs[1].Action.(ui.Button); first.Style != ui.Filled || second.Style == ui.Filled {
		t.Error("want the first act filled and no other")
	}
}

func TestStartTakesTheOneFilledButton(t *testing.T) {
	p := composeHome(auth.Actor{}, []overview{
		{Needs: []need{{Title: "a need", Act: "Open", URL: "/a"}}},
		{Start: &ui.Button{Label: "Start", URL: "/queues"}},
	})
	if p.Start == nil || p.Start.Style != ui.Filled || p.Needs[0].Action.(ui.Button).Style == ui.Filled {
		t.Error("want Start filled and the need outlined")
	}
}

func TestAnOverviewOfNobodySaysWhoHelps(t *testing.T) {
	w := newWorld(t)
	page := w.signIn(w.person("new@example.org")).get("/").want(fiber.StatusOK)
	if !strings.Contains(page.text("main"), "An administrator gives you one") {
		t.Error(page.text("main"))
	}
}
