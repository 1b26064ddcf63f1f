"""The webhook runner: takes Kill Bill's hints, re-reads the truth, and runs the playbooks that bring tenants to it.

``webhook_runner.application.create_app`` makes the Flask application, ``python -m webhook_runner`` starts the processes.
"""
