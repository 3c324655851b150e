"""The operations of EC2 in memory: parameters in, boto3's dicts out, refusals as ``Ec2Error``."""
