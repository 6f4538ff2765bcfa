package redact_test

import (
	"testing"

	"assay/internal/redact"
)

func TestAPolicyLessSomeKinds(t *testing.T) {
	whole := redact.Assay(salt)
	less := whole.Without(redact.OrderID, redact.Path)
	text := "order #FS-1042 for ada@example.com, see /home/ada/a.txt"
	if want, got := "order #FS-1042 for [EMAIL], see /home/ada/a.txt", first(less.Text(text)); want != got {
		t.Errorf("want %q, got %q", want, got)
	}
	if _, findings := whole.Text(text); len(findings) != 3 {
		t.Errorf("the policy it was made of has changed: %v", findings)
	}
	if want, got := "#FS-1042 [EMAIL]", first(redact.Delivery().Without(redact.OrderID).Text("#FS-1042 a@b.co")); want != got {
		t.Errorf("want %q, got %q", want, got)
	}
}
