// A client of the npm package @azure/msal-node, for peer_msal_test.go. It finds the issuer
// $ISSUER by OpenID Connect Discovery, and gets a token for $SCOPE as $CLIENT_ID with
// $SECRET. It calls $API with
// the token, and prints what the API answers, as JSON. NODE_EXTRA_CA_CERTS has the CA.
import { ConfidentialClientApplication, ProtocolMode } from '@azure/msal-node';

const { ISSUER, CLIENT_ID, SECRET, SCOPE, API } = process.env;
const said = {};
try {
  const application = new ConfidentialClientApplication({
    auth: { clientId: CLIENT_ID, clientSecret: SECRET, authority: ISSUER, knownAuthorities: [new URL(ISSUER).host] },
    system: { protocolMode: ProtocolMode.OIDC },
  });
  const result = await application.acquireTokenByClientCredential({ scopes: [SCOPE] });
  const answer = await fetch(API, { headers: { Authorization: `${result.tokenType} ${result.accessToken}` } });
  Object.assign(said, { status: answer.status, body: await answer.text(), token_type: result.tokenType, scopes: result.scopes });
} catch (error) {
  said.error = `${error.name}: ${error.message}`;
}
console.log(JSON.stringify(said));
