package testrun

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// advise says what would change a verdict that is not as a test says.
func advise(caller *probe.Caller, v *probe.Verdict) string {
	if v.Allowed {
		return adviseToDeny(caller, v)
	}
	if v.Refused == nil {
		return adviseToAnswer(caller, v)
	}
	return adviseToAllow(caller, v)
}

// adviseToDeny is for a request that got through.
func adviseToDeny(caller *probe.Caller, v *probe.Verdict) string {
	switch {
	case len(v.Passed) == 0 && len(v.Reported) > 0:
		return fmt.Sprintf("to refuse it: remove report_only at %s", v.Reported[0].Source)
	case len(v.Passed) == 0 || v.Token == nil:
		return fmt.Sprintf("to refuse it: no verify asks for a token on the way; put one before %s", v.Handler)
	}
	last := v.Passed[len(v.Passed)-1]
	scopes, _ := last.Verify.Required(v.Token.Issuer)
	if len(scopes) == 0 {
		return fmt.Sprintf("to refuse it: ask for a scope that %s has not, at %s", caller, last.Source)
	}
	return fmt.Sprintf("to refuse it: take %s from %s, or ask for another scope at %s", strings.Join(scopes, " "), caller, last.Source)
}

// adviseToAllow is for a request that a verify refused.
func adviseToAllow(caller *probe.Caller, v *probe.Verdict) string {
	refused := v.Refused
	switch verifier.Reason(v.Reason) {
	case verifier.NoToken:
		return fmt.Sprintf("to let it through: %s asks for a token; test with a client_id, or move the route out of its reach", refused.Source)
	case verifier.UnknownIssuer:
		return fmt.Sprintf("to let it through: add the issuer %s at %s", issuerOf(v), refused.Source)
	case verifier.MissingScope, verifier.WrongAudience:
		scopes, _ := refused.Verify.Required(issuerOf(v))
		missing := slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return v.Token != nil && slices.Contains(v.Token.Scope, scope) })
		if len(missing) > 0 {
			return fmt.Sprintf("to let it through: give %s the scope %s, or ask for less at %s", caller, strings.Join(missing, " "), refused.Source)
		}
	case verifier.NotSenderConstrained:
		return fmt.Sprintf("to let it through: have %s bind its tokens, as %s asks", caller, refused.Source)
	default:
	}
	return fmt.Sprintf("to let it through: change what %s asks for, or the token of %s", refused.Source, caller)
}

func issuerOf(v *probe.Verdict) string {
	if v.Token == nil {
		return ""
	}
	return v.Token.Issuer
}

// adviseToAnswer is for a request that no verify refused, and that still did not get
// through.
func adviseToAnswer(caller *probe.Caller, v *probe.Verdict) string {
	switch v.Reason {
	case probe.ReasonNotHandled:
		return "to let it through: add a handler for it, such as reverse_proxy"
	case probe.ReasonAnswered:
		return fmt.Sprintf("to let it through: handle it before %s does", v.Handler)
	case probe.ReasonCredentials:
		return "to let it through: move it out of the reach of basic_auth"
	case probe.ReasonError:
		return "to let it through: correct the route, which ends in an error"
	case string(oauth.ReasonInactiveClient):
		return fmt.Sprintf("to let it through: write active: true for %s", caller)
	}
	return fmt.Sprintf("to let it through: correct why %s gets no token", caller)
}
