// A receiver of webhooks: verifies what it was posted with the library of Standard Webhooks, and what was changed on the way.
import { Webhook } from 'standardwebhooks';
import { answer, given } from './dialogue.mjs';

const { secret, posts } = await given();
const webhook = new Webhook(secret);

function verified(body, headers) {
  try {
    return webhook.verify(body, headers);
  } catch (error) {
    return error.message;
  }
}

answer({
  heard: posts.map(({ body, headers }) => verified(body, headers)),
  changed: posts.map(({ body, headers }) => verified(body.replace('licence', 'license'), headers)),
  renamed: posts.map(({ body, headers }) => verified(body, { ...headers, 'webhook-id': 'another' })),
});
