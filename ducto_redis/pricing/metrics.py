"""What an operation used."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ToolCall(BaseModel):
    """One call of a tool."""

    name: str


class UsageMetrics(BaseModel):
    """What an operation used; the input of pricing."""

    model: str | None = None
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cache_read_tokens: int = Field(default=0, ge=0)
    cache_write_tokens: int = Field(default=0, ge=0)
    tool_calls: list[ToolCall] = []
    search_queries: int = Field(default=0, ge=0)
    search_results: int = Field(default=0, ge=0)
    web_search_calls: int = Field(default=0, ge=0)
    code_exec_calls: int = Field(default=0, ge=0)
    fixed_job: str | None = None
