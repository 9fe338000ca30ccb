// A client of the npm package openid-client, for peer_openid_client_test.go. It finds
// the issuer $ISSUER by discovery, authenticates as $CLIENT_ID by the method $METHOD
// with the secret $SECRET, the private key in the file $KEY ($KID, $ALG), or the
// certificate in $CERT with its key in $KEY, and calls $API with the token; with $DPOP,
// the token is bound to a key. It prints what the API answers, as JSON.
import { readFileSync } from 'node:fs';
import { createPrivateKey, webcrypto } from 'node:crypto';
import * as client from 'openid-client';
import { Agent, fetch } from 'undici';

const env = process.env;
const ca = readFileSync(env.CA);

const imports = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
};

const privateKey = async () => ({
  kid: env.KID,
  key: await webcrypto.subtle.importKey('pkcs8', createPrivateKey(readFileSync(env.KEY)).export({ type: 'pkcs8', format: 'der' }), imports[env.ALG], false, ['sign']),
});

const methods = {
  client_secret_basic: () => client.ClientSecretBasic(env.SECRET),
  client_secret_post: () => client.ClientSecretPost(env.SECRET),
  private_key_jwt: async () => client.PrivateKeyJwt(await privateKey()),
  tls_client_auth: () => client.TlsClientAuth(),
};

const connect = env.CERT ? { ca, cert: readFileSync(env.CERT), key: readFileSync(env.KEY) } : { ca };
const dispatcher = new Agent({ connect });
const overTLS = (url, options) => fetch(url, { ...options, dispatcher });

const config = await client.discovery(new URL(env.ISSUER), env.CLIENT_ID, undefined, await methods[env.METHOD](), {
  algorithm: 'oauth2',
  [client.customFetch]: overTLS,
});
const options = env.DPOP ? { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) } : {};
const tokens = await client.clientCredentialsGrant(config, { scope: 'orders.read' }, options);
const answer = await client.fetchProtectedResource(config, tokens.access_token, new URL(env.API), 'GET', undefined, undefined, options);
console.log(JSON.stringify({ status: answer.status, body: await answer.text(), token_type: tokens.token_type, expires_in: tokens.expires_in, access_token: tokens.access_token }));
await dispatcher.close();
