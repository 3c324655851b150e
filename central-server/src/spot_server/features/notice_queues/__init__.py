"""The third channel: what EventBridge sends to a client's SQS queue."""
